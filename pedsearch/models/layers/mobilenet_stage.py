"""The last stages of MobileNetV2.

Shape legend: R rows (regions of interest or images), h × w size of their maps.
"""

from mmengine.model import BaseModule
from mmpretrain.models.backbones import MobileNetV2
from torch import Tensor, nn

from pedsearch.registry import MODELS


@MODELS.register_module()
class MobileNetV2Stage(BaseModule):
    """Stages 6 and 7 of MobileNetV2 as a head on RoI maps.

    Parameter names are those of ``mmpretrain.MobileNetV2`` (``layer6.0.conv.0.conv.weight`` ...), so that
    ``init_cfg=dict(type='Pretrained', prefix='backbone', checkpoint=...)`` fills it.

    Args:
        norm_cfg, norm_eval: as in ``mmpretrain.MobileNetV2``.

    Example:
        >>> import torch
        >>> MobileNetV2Stage()(torch.zeros(2, 96, 8, 4)).shape
        torch.Size([2, 320, 4, 2])
    """

    in_channels, out_channels = 96, 320

    def __init__(self, norm_cfg: dict | None = None, norm_eval: bool = False,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg)
        whole = MobileNetV2(norm_cfg=norm_cfg or dict(type='BN'))
        self.layer6, self.layer7 = whole.layer6, whole.layer7
        self.norm_eval = norm_eval

    def forward(self, x: Tensor) -> Tensor:
        """(R, 96, h, w) -> (R, 320, h / 2, w / 2)."""
        return self.layer7(self.layer6(x))

    def train(self, mode: bool = True) -> 'MobileNetV2Stage':
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
