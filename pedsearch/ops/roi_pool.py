"""The kernel behind RoI pooling, deformable or from several levels, with its gradients.

Shape legend: L levels, B images, C channels, H x W feature map of a level, R RoIs, h x w bins of a RoI.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from .native import native_library
from .rois import DTYPE_CODES, stored_dtype

MAX_LEVELS = 8
_CHANNELS_AT_ONCE = 32  # of the CPU kernel
_PIXELS_PER_BIN = 16


class Grid(NamedTuple):
    """Where RoIs lie on the maps, see the operators for what the entries mean."""

    output_size: tuple[int, int]
    scales: tuple[float, ...]
    sampling_ratio: int = 0
    gamma: float = 0.0
    finest_scale: float = 1.0
    aligned: bool = True


def roi_pool(feats: Sequence[Tensor], rois: Tensor, offsets: Tensor | None, grid: Grid) -> Tensor:
    """Feats L x (B, C, H, W), rois (R, 5), offsets (R, 2, h, w) -> (R, C, h, w) in the type of ``feats``.

    ``rois`` and ``offsets`` are in the type of the sums. On the CPU the sums do not depend on the number of threads; on
    CUDA, the order of those of the gradient of ``feats`` is not fixed.
    """
    dtype = stored_dtype(feats[0])
    tables = [feat.to(dtype).permute(0, 2, 3, 1).reshape(-1, feat.shape[1]) for feat in feats]
    table = torch.cat(tables) if len(tables) > 1 else tables[0]
    sizes = tuple(side for feat in feats for side in feat.shape[2:])
    channels = table.shape[1]
    padding = 0 if table.is_cuda else -channels % _CHANNELS_AT_ONCE
    table = pad(table, (0, padding)) if padding else table
    pooled = _RoIPool.apply(table, rois, offsets, sizes, len(feats[0]), grid)
    return pooled[:, :channels].contiguous().to(feats[0].dtype)


def is_worthwhile(feats: Sequence[Tensor], num_rois: int, output_size: tuple[int, int]) -> bool:
    """Whether to lay out the maps anew, channels last, which makes the sums fast: not for a few RoIs on large maps.

    Measured on one core, with 256 channels and 108,000 pixels: a forward pass of the library is faster up to about
    6,000 bins, forward and backward never.
    """
    with_grad = torch.is_grad_enabled() and any(feat.requires_grad for feat in feats)
    num_pixels = sum(feat.shape[0] * feat.shape[2] * feat.shape[3] for feat in feats)
    num_bins = num_rois * output_size[0] * output_size[1]
    return with_grad or feats[0].is_cuda or num_pixels <= _PIXELS_PER_BIN * num_bins


class _RoIPool(torch.autograd.Function):
    """Table (pixels, C), rois (R, 5), offsets (R, 2, h, w) or None -> (R, C, h, w) in the type of ``rois``."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rois: Tensor, offsets: Tensor | None, sizes: tuple[int, ...], num_images: int,
                grid: Grid) -> Tensor:
        table, rois = table.contiguous(), rois.contiguous()
        offsets = None if offsets is None else offsets.contiguous()
        ctx.save_for_backward(table, rois, offsets)
        ctx.sizes, ctx.num_images, ctx.grid = sizes, num_images, grid
        pooled = rois.new_empty(len(rois), table.shape[1], *grid.output_size)
        if pooled.numel():
            native_library(table.device).call('roi_pool', *_arguments(ctx, table, rois, offsets), pooled)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        table, rois, offsets = ctx.saved_tensors
        grad_table = torch.zeros_like(table, dtype=rois.dtype) if ctx.needs_input_grad[0] else None
        grad_offsets = torch.zeros_like(offsets) if ctx.needs_input_grad[2] else None
        if grad.numel():
            native_library(table.device).call('roi_pool_backward', *_arguments(ctx, table, rois, offsets),
                                              grad.contiguous(), grad_table, grad_offsets)
        return grad_table if grad_table is None else grad_table.to(table.dtype), None, grad_offsets, None, None, None


def _arguments(ctx: Any, table: Tensor, rois: Tensor, offsets: Tensor | None) -> tuple:
    grid = ctx.grid
    return (table, rois, offsets, ctx.sizes, grid.scales, len(grid.scales), ctx.num_images, len(rois), table.shape[1],
            *grid.output_size, grid.sampling_ratio, float(grid.gamma), float(grid.finest_scale), int(grid.aligned),
            DTYPE_CODES[table.dtype])
