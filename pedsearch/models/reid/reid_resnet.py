"""ResNet with the options that re-identification adds to it.

Shape legend: B images, C channels, H, W height and width in pixels.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from mmcv.cnn import NonLocal2d
from mmpretrain.models.backbones import ResNet
from torch import Tensor, nn

from pedsearch.registry import MODELS

STEM_POOLS = {'torch': dict(padding=1), 'ceil': dict(padding=0, ceil_mode=True)}


class InstanceBatchNorm2d(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the rest; (B, C, H, W) -> same.

    Source: Pan et al., "Two at Once: Enhancing Learning and Generalization Capacities via IBN-Net", ECCV 2018, figure 3
        (IBN-a).
    Deviation: none.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.IN(x[:, :self.half]), self.BN(x[:, self.half:])], dim=1)


def init_non_local(block: NonLocal2d) -> None:
    """Make a non-local block an identity that can learn.

    mmcv's convolutions start at a standard deviation of 0.01. Of the product of three of them so little is left that
    the epsilon of the batch norm behind swallows it, and the block would stay an identity for long.
    """
    block.init_weights()
    for part in (block.g, block.theta, block.phi, block.conv_out):
        part.conv.reset_parameters()


def with_non_local(stage: nn.Sequential, count: int) -> nn.Sequential:
    """The stage with a non-local block after each of its last ``count`` blocks, whose names stay as they were."""
    parts = OrderedDict()
    for index, block in enumerate(stage):
        parts[str(index)] = block
        place = index - (len(stage) - count)
        if place >= 0:
            # reduction = channels leaves the one channel that the published weights have
            parts[f'non_local{place}'] = NonLocal2d(block.out_channels, reduction=block.out_channels,
                                                    mode='dot_product', norm_cfg=dict(type='BN'))
            init_non_local(parts[f'non_local{place}'])
    return nn.Sequential(parts)


@MODELS.register_module()
class ReIDResNet(ResNet):
    """``mmpretrain.ResNet`` with last stride 1, and what published re-identification weights expect of it.

    A crop of 256 x 128 pixels becomes a map of (2048, 16, 8) with 50 layers. Parameter names are torchvision's;
    non-local blocks are ``layer{s}.non_local{i}``, instance norms ``layer{s}.{i}.bn1.IN``.

    Args:
        depth: 18, 34, 50, 101 or 152.
        strides: of the four stages.
        stem_relu: False leaves out the ReLU after the first batch norm, as the published BoT weights need it.
        stem_pool: 'torch' (padding 1) or 'ceil' (no padding, rounded up), as fast-reid's weights need it.
        non_local: number of non-local blocks in each stage, after its last blocks; (0, 2, 3, 0) for AGW, None for
            none. They start as identities.
        ibn: None or 'a': half of the first norm of every block in the first three stages is an instance norm.
        **kwargs: of ``mmpretrain.ResNet``.

    Source: Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification", CVPRW 2019, section 3
        (last stride); Wang et al., "Non-local Neural Networks", CVPR 2018, eq. 4 and 6; Ye et al., "Deep Learning for
        Person Re-identification: A Survey and Outlook", TPAMI 2022, section 4 (AGW).
    Deviation: the non-local blocks project to one channel, as in the published AGW code, not to half of them.
    """

    def __init__(self, depth: int = 50, strides: Sequence[int] = (1, 2, 2, 1), stem_relu: bool = True,
                 stem_pool: str = 'torch', non_local: Sequence[int] | None = None, ibn: str | None = None,
                 **kwargs) -> None:
        if stem_pool not in STEM_POOLS:
            raise ValueError(f'stem_pool must be one of {list(STEM_POOLS)}, got {stem_pool!r}')
        if ibn not in (None, 'a'):
            raise ValueError(f"ibn must be None or 'a', got {ibn!r}")
        if not stem_relu and kwargs.get('deep_stem'):
            raise ValueError('stem_relu=False needs the plain stem, got deep_stem=True; leave one of them out')
        super().__init__(depth, strides=strides, **kwargs)
        non_local = [0] * self.num_stages if non_local is None else list(non_local)
        if len(non_local) != self.num_stages or any(
                not 0 <= count <= blocks for count, blocks in zip(non_local, self.stage_blocks, strict=True)):
            raise ValueError(f'non_local must give each stage at most as many blocks as it has ({self.stage_blocks}), '
                             f'got {non_local}')
        if not stem_relu:
            self.relu = nn.Identity()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, **STEM_POOLS[stem_pool])
        for name, count in zip(self.res_layers, non_local, strict=True):
            stage = getattr(self, name)
            if ibn and name != 'layer4':
                for block in stage:
                    setattr(block, block.norm1_name, InstanceBatchNorm2d(block.norm1.num_features))
            if count:
                setattr(self, name, with_non_local(stage, count))
        self._freeze_stages()  # the parts that were put in, too

    def init_weights(self) -> None:
        super().init_weights()
        if isinstance(self.init_cfg, dict) and self.init_cfg['type'] == 'Pretrained':
            return
        for module in self.modules():
            if isinstance(module, NonLocal2d):
                init_non_local(module)
