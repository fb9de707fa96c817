"""OSNet: a small network that looks at several scales in every block.

Shape legend: B images, C channels (c0...c3 of the stem and the three stages), H, W height and width, D embedding
dimensions.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmpretrain.models.backbones.base_backbone import BaseBackbone
from torch import Tensor, nn

from pedsearch.registry import MODELS

CHANNELS = {1.0: (64, 256, 384, 512), 0.75: (48, 192, 288, 384), 0.5: (32, 128, 192, 256), 0.25: (16, 64, 96, 128)}
# Instance norm of the blocks of stages 1 to 3: none, after the sum with the shortcut, or on the residual alone.
INSTANCE_NORMS = {
    'plain': ((None, None), (None, None), (None, None)),
    'ibn': (('sum', 'sum'), (None, None), (None, None)),
    'ain': (('residual', 'residual'), (None, 'residual'), ('residual', None)),
    'lct': ((None, None), (None, None), (None, None)),
}
BN = dict(type='BN')


def light_conv(channels: int) -> nn.Sequential:
    """A 3x3 convolution in two: 1x1 over the channels, then 3x3 within each; (B, C, H, W) -> same."""
    return nn.Sequential(OrderedDict(
        conv1=nn.Conv2d(channels, channels, 1, bias=False),
        conv2=nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        bn=nn.BatchNorm2d(channels), relu=nn.ReLU()))


def channel_gate(channels: int, context: bool = False) -> nn.Sequential:
    """A weight in (0, 1) for each channel of each image; (B, C, H, W) -> (B, C, 1, 1).

    It comes from two 1x1 convolutions, or with ``context`` from a group norm over the averages of the channels (Ruan et
    al., "Linear Context Transform Block", AAAI 2020).
    """
    if context:
        return nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), gn=nn.GroupNorm(16, channels),
                                         sigmoid=nn.Sigmoid()))
    return nn.Sequential(OrderedDict(
        pool=nn.AdaptiveAvgPool2d(1), fc1=nn.Conv2d(channels, channels // 16, 1), relu=nn.ReLU(),
        fc2=nn.Conv2d(channels // 16, channels, 1), sigmoid=nn.Sigmoid()))


class OmniScaleBlock(nn.Module):
    """Four streams of one to four light convolutions, weighed by one gate they share, beside a shortcut.

    Args:
        in_channels, out_channels: of the block; the streams have a quarter of ``out_channels``.
        instance_norm: None, 'sum' (after the sum with the shortcut) or 'residual' (in place of the residual's BN).
        context: of the gate.
    """

    def __init__(self, in_channels: int, out_channels: int, instance_norm: str | None = None,
                 context: bool = False) -> None:
        super().__init__()
        width = out_channels // 4
        self.conv1 = ConvModule(in_channels, width, 1, norm_cfg=BN)
        self.conv2a = light_conv(width)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(light_conv(width) for _ in range(depth))) for depth in (2, 3, 4))
        self.gate = channel_gate(width, context)
        self.conv3 = ConvModule(width, out_channels, 1, bias=False, act_cfg=None,
                                norm_cfg=None if instance_norm == 'residual' else BN)
        self.downsample = (nn.Identity() if in_channels == out_channels
                           else ConvModule(in_channels, out_channels, 1, norm_cfg=BN, act_cfg=None))
        self.instance_norm = instance_norm
        if instance_norm:
            self.IN = nn.InstanceNorm2d(out_channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        narrow = self.conv1(x)
        streams = [stream(narrow) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d)]
        residual = self.conv3(sum(self.gate(stream) * stream for stream in streams))
        if self.instance_norm == 'residual':
            residual = self.IN(residual)
        total = residual + self.downsample(x)
        return F.relu(self.IN(total) if self.instance_norm == 'sum' else total)


@MODELS.register_module()
class OSNet(BaseBackbone):
    """The convolutional part of OSNet: (B, 3, H, W) -> one map of c3 channels, a sixteenth as high and wide.

    With average pooling and :class:`FCNeck` it is the whole published network, whose feature has 512 dimensions.
    Parameter names are torchreid's (``conv2.0.conv2b.0.conv1.weight`` ...).

    Args:
        width: 1.0, 0.75, 0.5 or 0.25; c3 is 512, 384, 256 or 128.
        variant: 'plain', 'ibn' (instance norm in the stem and the first stage), 'ain' (instance norm in the stem and
            in the places found by search) or 'lct' (instance norm of the input and in the stem, gates from a linear
            context transform in every second block: the person-reidentification-retail models of Open Model Zoo).

    Source: Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019, table 1 and figure 4;
        for 'ain' "Learning Generalisable Omni-Scale Representations for Person Re-Identification", TPAMI 2021.
    Deviation: none; 'ain' has the parameter names of the other variants.

    Example:
        >>> import torch
        >>> OSNet(width=0.25)(torch.zeros(1, 3, 64, 32))[-1].shape
        torch.Size([1, 128, 4, 2])
    """

    def __init__(self, width: float = 1.0, variant: str = 'plain', init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        if width not in CHANNELS or variant not in INSTANCE_NORMS:
            raise ValueError(f'OSNet comes in the widths {list(CHANNELS)} and the variants {list(INSTANCE_NORMS)}, got '
                             f'{width!r} and {variant!r}')
        stem, *stages = CHANNELS[width]
        self.feat_dim = stages[-1]
        self.in_first = nn.InstanceNorm2d(3, affine=True) if variant == 'lct' else nn.Identity()
        self.conv1 = ConvModule(3, stem, 7, stride=2, padding=3, norm_cfg=BN)
        if variant != 'plain':
            self.conv1.bn = nn.InstanceNorm2d(stem, affine=True)  # under the name that the published files give it
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        in_channels = stem
        for index, (channels, norms) in enumerate(zip(stages, INSTANCE_NORMS[variant], strict=True), start=2):
            first, second = norms
            stage = nn.Sequential(OmniScaleBlock(in_channels, channels, first),
                                  OmniScaleBlock(channels, channels, second, context=variant == 'lct'))
            if index < 4:  # halve the map
                stage.append(nn.Sequential(ConvModule(channels, channels, 1, norm_cfg=BN), nn.AvgPool2d(2)))
            self.add_module(f'conv{index}', stage)
            in_channels = channels
        self.conv5 = ConvModule(in_channels, in_channels, 1, norm_cfg=BN)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """(B, 3, H, W) -> ((B, c3, H / 16, W / 16),), every value >= 0."""
        x = self.maxpool(self.conv1(self.in_first(x)))  # (B, c0, H / 4, W / 4)
        x = self.conv4(self.conv3(self.conv2(x)))  # (B, c3, H / 16, W / 16)
        return (self.conv5(x), )


@MODELS.register_module()
class WeightedPooling(nn.Module):
    """Sum over all positions of a map, with a weight for each channel and position, and a shift for each channel.

    Args:
        channels: C.
        map_size: height and width of the map, the only one that it takes.

    Source: the person-reidentification-retail models of Open Model Zoo.
    Deviation: none; it starts as average pooling.
    """

    def __init__(self, channels: int, map_size: Sequence[int] = (16, 8)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, tuple(map_size), groups=channels)
        nn.init.constant_(self.conv.weight, 1 / self.conv.weight[0].numel())
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C).

        Raises:
            ValueError: the map is of another size.
        """
        if tuple(x.shape[2:]) != self.conv.kernel_size:
            raise ValueError(f'WeightedPooling takes maps of {self.conv.kernel_size} positions, got '
                             f'{tuple(x.shape[2:])}; resize the images, or set map_size and train it')
        return self.conv(x).flatten(1)


@MODELS.register_module()
class FCNeck(nn.Module):
    """Linear layer, batch norm, activation: the last part of torchreid's OSNet and of its ResNet with ``fc512``.

    Args:
        in_channels: C.
        embed_dims: D.
        activation: 'ReLU', or 'PReLU' as in the models of Open Model Zoo.

    Source: Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019, table 1 ("fc").
    Deviation: none.
    """

    def __init__(self, in_channels: int, embed_dims: int = 512, activation: str = 'ReLU') -> None:
        super().__init__()
        if activation not in ('ReLU', 'PReLU'):
            raise ValueError(f"activation must be 'ReLU' or 'PReLU', got {activation!r}")
        self.embedding = nn.Linear(in_channels, embed_dims)
        self.norm = nn.BatchNorm1d(embed_dims)
        self.activation = getattr(nn, activation)()
        nn.init.normal_(self.embedding.weight, std=0.01)
        nn.init.zeros_(self.embedding.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) -> (B, D); every value >= 0 with ReLU."""
        return self.activation(self.norm(self.embedding(x)))
