"""Deformable convolution that predicts its own offsets, for any number of rows.

Shape legend: B rows (images or regions), C input and C' output channels, H × W size of the map, k kernel size.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torchvision.ops import deform_conv2d


class DeformConv2dPack(nn.Module):
    """Deformable convolution without modulation and bias; its offsets come from an ordinary convolution.

    The offsets begin at zero, so a new layer is an ordinary convolution. Parameters have the names of mmcv's layer of
    this name, whose operator wants the number of rows to be a multiple of 32.

    Args:
        in_channels: C.
        out_channels: C'.
        kernel_size: k; the map keeps its size where ``padding`` is (k - 1) / 2.
        padding: zeros around the map.

    Source: Dai et al., "Deformable Convolutional Networks", ICCV 2017, section 2.1. Deviation: none.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, padding: int = 0) -> None:
        super().__init__()
        self.padding = padding
        bound = 1 / math.sqrt(in_channels * kernel_size**2)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size)
                                   .uniform_(-bound, bound))
        self.conv_offset = nn.Conv2d(in_channels, 2 * kernel_size**2, kernel_size, padding=padding)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W'); half precision is computed in float32, which the operator needs."""
        if not len(x):  # the operator wants rows
            return conv2d(x, self.weight.to(x), padding=self.padding)
        offset = self.conv_offset(x)  # (B, 2 k k, H', W')
        dtype = torch.promote_types(x.dtype, torch.float32)
        return deform_conv2d(x.to(dtype), offset.to(dtype), self.weight.to(dtype), padding=self.padding).to(x.dtype)
