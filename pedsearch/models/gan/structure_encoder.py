"""Where the body is: structure maps of a rendered mesh.

Shape legend: B pictures, H x W their size, K channels of the first convolution, C = 8 K channels of the structure.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .conv_blocks import ResidualBlock, conv_block

DILATIONS = 3, 6, 9
MIN_SIZE = 40  # the border of dilation 9 must be narrower than the map, a quarter of the picture


class AtrousPyramid(nn.Module):
    """Four views of a map with fields of growing width, side by side, and a 1x1 convolution over them.

    Args:
        in_channels, out_channels: of the block; a branch has a quarter of ``out_channels``.

    Source: Chen et al., "DeepLab", TPAMI 2018, section 3.2. Deviation: a dense branch, instance norms.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width, norm = out_channels // 4, nn.InstanceNorm2d
        self.branches = nn.ModuleList([conv_block(in_channels, width, 1, norm=norm, activation=False)])
        self.branches.extend(
            nn.Sequential(conv_block(in_channels, width, 1, norm=norm),
                          conv_block(width, width, 3, dilation=dilation, norm=norm, activation=False))
            for dilation in DILATIONS)
        self.merge = conv_block(out_channels, out_channels, 1, norm=norm, activation=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> (B, out_channels, h, w)."""
        return self.merge(torch.cat([branch(x) for branch in self.branches], dim=1))


@MODELS.register_module()
class StructureEncoder(BaseModule):
    """Grey picture of a mesh to structure maps a quarter its size.

    Every map is instance-normalised: mean 0, variance 1 (0 where it is constant; a blank picture has no structure).

    Args:
        in_channels: of the picture.
        base_channels: K.
        num_blocks: residual blocks.
        init_cfg: as in mmengine; None: Kaiming normal weights (fan in, gain of a ReLU), zero biases.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL). Deviation: none.

    Example:
        >>> StructureEncoder(base_channels=4)(torch.zeros(2, 1, 64, 40)).shape
        torch.Size([2, 32, 16, 10])
    """

    def __init__(self, in_channels: int = 1, base_channels: int = 16, num_blocks: int = 4,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_in'))
        norm, width = nn.InstanceNorm2d, base_channels
        self.in_channels = in_channels
        self.out_channels = 8 * width
        self.stem = nn.Sequential(
            conv_block(in_channels, width, 3, stride=2, norm=norm), conv_block(width, 2 * width, 3, norm=norm),
            conv_block(2 * width, 2 * width, 3, norm=norm), conv_block(2 * width, 4 * width, 3, stride=2, norm=norm))
        self.blocks = nn.Sequential(*(ResidualBlock(4 * width, norm) for _ in range(num_blocks)))
        self.pyramid = AtrousPyramid(4 * width, self.out_channels)

    def forward(self, meshes: Tensor) -> Tensor:
        """Structure of rendered meshes.

        Args:
            meshes (Tensor): (B, in_channels, H, W) in [-1, 1], background 1; H and W multiples of 4 from 40.

        Returns:
            Tensor: (B, C, H / 4, W / 4).

        Raises:
            ValueError: another shape or size.
        """
        if meshes.ndim != 4 or meshes.size(1) != self.in_channels:
            raise ValueError(f'meshes must have shape (B, {self.in_channels}, H, W), got {tuple(meshes.shape)}; render '
                             'them in grey and stack them')
        if min(meshes.shape[2:]) < MIN_SIZE or any(side % 4 for side in meshes.shape[2:]):
            raise ValueError(f'meshes must have a height and width that are multiples of 4 from {MIN_SIZE}, got '
                             f'{tuple(meshes.shape[2:])}; resize meshes and photos alike, for example to (128, 64)')
        return self.pyramid(self.blocks(self.stem(meshes)))
