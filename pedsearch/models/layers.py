"""Layers shared by several methods.

Shape legend: R rows (regions of interest or images), C channels.
"""

import torch
import torch.nn.functional as F
from mmdet.models.backbones import ResNet
from mmdet.models.layers import ResLayer
from mmengine.dist import get_world_size
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from pedsearch.registry import MODELS


class _CrossProcessBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm whose training statistics are those of all processes, on any device.

    A batch that has one value per channel over all processes is normalised by the running statistics, which then stay
    as they are, where torch raises an error. Arguments and **State** as in torch.

    Source: own; ``torch.nn.SyncBatchNorm`` has no CPU implementation.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(R, C, ...) -> the same shape; R may differ between processes and may be 0."""
        if not self.training:
            return super().forward(input)
        if get_world_size() == 1:
            if input.numel() > input.size(1):
                return super().forward(input)
            return self._normalize(input, self.running_mean, self.running_var)
        x = input.float()
        dims = [dim for dim in range(x.ndim) if dim != 1]
        count = all_reduce(x.new_tensor(x.numel() / x.size(1)))
        if count <= 1:
            return self._normalize(input, self.running_mean, self.running_var)
        mean = all_reduce(x.sum(dim=dims)) / count
        var = all_reduce(((x - self._per_channel(mean, x))**2).sum(dim=dims)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * count / (count - 1), self.momentum)
            self.num_batches_tracked.add_(1)
        return self._normalize(input, mean, var)

    def _normalize(self, input: Tensor, mean: Tensor, var: Tensor) -> Tensor:
        scale = torch.rsqrt(var + self.eps) * self.weight
        shift = self.bias - mean * scale
        output = input.float() * self._per_channel(scale, input) + self._per_channel(shift, input)
        return output.to(input.dtype)

    @staticmethod
    def _per_channel(values: Tensor, like: Tensor) -> Tensor:
        return values.view(-1, *[1] * (like.ndim - 2))


class CrossProcessBatchNorm1d(_CrossProcessBatchNorm, nn.BatchNorm1d):
    __doc__ = _CrossProcessBatchNorm.__doc__


@MODELS.register_module()
class CrossProcessBatchNorm2d(_CrossProcessBatchNorm, nn.BatchNorm2d):
    __doc__ = _CrossProcessBatchNorm.__doc__


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


def global_max_pool(x: Tensor) -> Tensor:
    """(R, C, h, w) -> (R, C)."""
    return F.adaptive_max_pool2d(x, 1).flatten(1)
