"""Anchors and samplers of the two-stage detector."""

import torch
from mmdet.models.task_modules import AnchorGenerator, RandomSampler
from mmdet.models.task_modules.assigners import AssignResult
from mmdet.models.task_modules.samplers import SamplingResult
from mmengine.structures import InstanceData
from torch import Tensor

from pedsearch.registry import TASK_UTILS


@TASK_UTILS.register_module()
class RoundedAnchorGenerator(AnchorGenerator):
    """Anchors whose corners are rounded to whole pixels, as torchvision's detectors have them.

    Source: numbers of torchvision's ``AnchorGenerator``. Deviation: none.
    """

    def gen_single_level_base_anchors(self, *args, **kwargs) -> Tensor:
        return super().gen_single_level_base_anchors(*args, **kwargs).round()


@TASK_UTILS.register_module()
class SeededRandomSampler(RandomSampler):
    """``RandomSampler`` that draws from the seed of the sample instead of the process' random state.

    The seed is ``gt_instances.metainfo['seed']``, see :class:`~pedsearch.structures.SearchDataSample`. So the choice
    is the same on one process and on many, and after a resume. Without a seed it draws from torch's random state.

    Args: as ``mmdet.RandomSampler``.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self._generator: torch.Generator | None = None

    def sample(self, assign_result: AssignResult, pred_instances: InstanceData, gt_instances: InstanceData,
               **kwargs) -> SamplingResult:
        seed = gt_instances.metainfo.get('seed')
        self._generator = None
        if seed is not None:  # the two stages of a detector see unequal numbers of candidates and so draw unlike
            self._generator = torch.Generator().manual_seed((int(seed) + len(pred_instances)) % 2**63)
        return super().sample(assign_result, pred_instances, gt_instances, **kwargs)

    def random_choice(self, gallery: Tensor, num: int) -> Tensor:
        chosen = torch.randperm(gallery.numel(), generator=self._generator)[:num]
        return gallery[chosen.to(gallery.device)]
