"""Paints structure maps with an appearance.

Shape legend: B samples, C channels and h x w size of the structure, J residual blocks with two AdaIN layers each.
"""

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .conv_blocks import SLOPE, conv_block
from .norms import SampleLayerNorm, adain


class AdaINResidualBlock(nn.Module):
    """Two 3x3 convolutions with AdaIN beside a shortcut, without an activation after the sum.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv_block(channels, channels, 3, activation=False)
        self.conv2 = conv_block(channels, channels, 3, activation=False)

    def forward(self, x: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
        """(B, C, h, w), scales and shifts of the two layers (B, 2, C) -> (B, C, h, w)."""
        residual = F.leaky_relu(adain(self.conv1(x), scales[:, 0], shifts[:, 0]), SLOPE, inplace=True)
        return x + adain(self.conv2(residual), scales[:, 1], shifts[:, 1])


@MODELS.register_module()
class AdaINDecoder(BaseModule):
    """Structure and style to an image four times the structure's size; linear at its end, so values have no bounds.

    It has no state but its parameters: the style is an argument, never stored.

    Args:
        in_channels: C, a multiple of 4.
        num_blocks: J.
        out_channels: of the image.
        init_cfg: as in mmengine; None: Kaiming normal weights (fan in, gain of a ReLU), zero biases.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021 (GCL). Deviation: none.

    Example:
        >>> import torch
        >>> style = torch.ones(2, 8, 16), torch.zeros(2, 8, 16)
        >>> AdaINDecoder(in_channels=16)(torch.randn(2, 16, 10, 12), *style).shape
        torch.Size([2, 3, 40, 48])
    """

    def __init__(self, in_channels: int = 128, num_blocks: int = 4, out_channels: int = 3,
                 init_cfg: dict | list | None = None) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d', mode='fan_in'))
        if in_channels % 4:
            raise ValueError(f'in_channels must be a multiple of 4, got {in_channels}; it is 8 times base_channels of '
                             'the structure encoder')
        self.in_channels = in_channels
        self.num_blocks = num_blocks
        half, quarter = in_channels // 2, in_channels // 4
        self.blocks = nn.ModuleList(AdaINResidualBlock(in_channels) for _ in range(num_blocks))
        self.painter = nn.Sequential(
            nn.Upsample(scale_factor=2), conv_block(in_channels, half, 5, norm=SampleLayerNorm),
            nn.Upsample(scale_factor=2), conv_block(half, quarter, 5, norm=SampleLayerNorm),
            conv_block(quarter, quarter, 3), conv_block(quarter, quarter, 3),
            nn.Conv2d(quarter, out_channels, 1))

    def forward(self, structure: Tensor, scales: Tensor, shifts: Tensor) -> Tensor:
        """Images of structures in styles.

        Args:
            structure (Tensor): (B, C, h, w).
            scales, shifts (Tensor): (B, 2 J, C), two layers of block 0 first.

        Returns:
            Tensor: (B, out_channels, 4 h, 4 w).

        Raises:
            ValueError: shapes do not fit.
        """
        expected = len(structure), 2 * self.num_blocks, self.in_channels
        if structure.ndim != 4 or structure.size(1) != self.in_channels:
            raise ValueError(f'structure must have shape (B, {self.in_channels}, h, w), got {tuple(structure.shape)}; '
                             'in_channels must be 8 times base_channels of the structure encoder')
        if scales.shape != expected or shifts.shape != expected:
            raise ValueError(f'scales and shifts must have shape {expected}, got {tuple(scales.shape)} and '
                             f'{tuple(shifts.shape)}; pass one code per structure')
        x = structure
        for i, block in enumerate(self.blocks):
            layers = slice(2 * i, 2 * i + 2)
            x = block(x, scales[:, layers], shifts[:, layers])
        return self.painter(x)
