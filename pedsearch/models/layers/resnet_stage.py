"""One stage of a ResNet.

Shape legend: R rows (regions of interest or images), C channels.
"""

from mmdet.models.backbones import ResNet
from mmdet.models.layers import ResLayer
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS


@MODELS.register_module()
class ResNetStage(BaseModule):
    """One stage of a ResNet as a head on RoI maps, usually the last one ("res5").

    Parameter names are those of torchvision's ResNet (``layer4.0.conv1.weight`` ...), so that
    ``init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')`` fills it.

    Args:
        depth: 18, 34, 50, 101 or 152.
        stage: 0-based index of the stage.
        base_channels: width of the first stage, 64 in the usual networks.
        stride: of the first block.
        style: 'pytorch' (stride on the 3x3) or 'caffe' (stride on the first 1x1).
        norm_cfg, norm_eval: as in ``mmdet.ResNet``.
    """

    def __init__(self, depth: int = 50, stage: int = 3, base_channels: int = 64, stride: int = 2,
                 style: str = 'pytorch', norm_cfg: dict | None = None, norm_eval: bool = False,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Kaiming', layer='Conv2d'),
                                      dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm'])])
        if depth not in ResNet.arch_settings:
            raise ValueError(f'depth must be one of {sorted(ResNet.arch_settings)}, got {depth}')
        block, blocks = ResNet.arch_settings[depth]
        planes = base_channels * 2**stage
        self.norm_eval = norm_eval
        self.out_channels = planes * block.expansion
        self._name = f'layer{stage + 1}'
        self.add_module(self._name, ResLayer(
            block, self.out_channels // 2, planes, blocks[stage], stride=stride, style=style,
            norm_cfg=norm_cfg or dict(type='BN', requires_grad=True)))

    def forward(self, x: Tensor) -> Tensor:
        """(R, C / 2, h, w) -> (R, C, h / stride, w / stride)."""
        return getattr(self, self._name)(x)

    def train(self, mode: bool = True) -> 'ResNetStage':
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self
