"""Region proposals whose loss does not depend on the number of processes."""

import torch
from mmdet.models.dense_heads import RPNHead
from mmengine.device import get_device
from mmengine.dist import all_reduce

from pedsearch.registry import MODELS


@MODELS.register_module()
class SearchRPNHead(RPNHead):
    """``mmdet.RPNHead`` that divides its losses by the mean number of sampled anchors over all processes.

    Args: as ``mmdet.RPNHead``. Source: Ren et al., "Faster R-CNN", NeurIPS 2015. Deviation: none.
    """

    def get_targets(self, *args, **kwargs) -> tuple:
        targets = list(super().get_targets(*args, **kwargs))
        avg_factor = torch.tensor(float(targets[4]), device=get_device())
        all_reduce(avg_factor, op='mean')
        targets[4] = avg_factor.item()
        return tuple(targets)
