"""Deformable RoI pooling: RoIAlign whose every bin is moved by an offset of its own.

Shape legend: B images, C channels, H x W feature map, R RoIs, h x w bins of a RoI, n samples of a bin along one axis.
"""

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag
from torchvision.ops import roi_align

from .native import native_library
from .roi_pool import Grid, roi_pool
from .rois import check_maps, check_output_size, check_rois, compute_dtype, upright


def deform_roi_pool(feats: Tensor, rois: Tensor, offsets: Tensor | None, output_size: tuple[int, int],
                    spatial_scale: float = 1.0, sampling_ratio: int = 0, gamma: float = 0.1) -> Tensor:
    """Mean of bilinear samples in every bin of every RoI, bins moved by ``gamma * RoI size * offset``.

    ``edge = x * spatial_scale - 0.5`` (pixel centres at integers); a bin is 1/w of the RoI wide and 1/h high. Its
    samples lie on a regular grid. One that is more than a pixel outside the map counts 0, others are clamped to the
    map. A RoI without area gives 0.

    Args:
        feats: (B, C, H, W) floating point. Differentiable.
        rois: (R, 5) rows (image index, x1, y1, x2, y2) in pixels of the image. No gradient.
        offsets: (R, 2, h, w), channel 0 along x and 1 along y, in units of ``gamma`` times the width and height of the
            RoI. Differentiable; at a sample on a pixel centre, the derivative to the right or below. None: no shift,
            which is RoIAlign (aligned).
        output_size: (h, w).
        spatial_scale: pixels of the map per pixel of the image, 1/16 for a map of stride 16.
        sampling_ratio: n along both axes; 0: as many as the bin has pixels of the map, rounded up.
        gamma: see ``offsets``.

    Returns:
        Tensor: (R, C, h, w) in the type of ``feats``; sums are kept in float32 or wider.

    Raises:
        ValueError: on other shapes or types; on the CPU, on an image index out of range (CUDA: NaN).

    Source: Dai et al., Deformable Convolutional Networks, ICCV 2017, equations 5-6, with the sampling of RoIAlign
        (He et al., Mask R-CNN, ICCV 2017) as in mmcv's operator of this name.
    Deviation: the derivative by an offset is 0 where samples are clamped, as it is for the value.

    Example:
        >>> columns = torch.arange(8.).expand(1, 1, 8, 8)
        >>> deform_roi_pool(columns, torch.tensor([[0., 0., 0., 4., 4.]]), torch.ones(1, 2, 2, 2), (2, 2))[0, 0]
        tensor([[0.9000, 2.9000],
                [0.9000, 2.9000]])
    """
    _check(feats, rois, offsets, output_size)
    dtype = compute_dtype(feats.dtype)
    rois = rois.detach().to(dtype)
    offsets = None if offsets is None else offsets.to(dtype)
    if native_library(feats.device) is None:
        return _reference(feats, rois, offsets, output_size, spatial_scale, sampling_ratio, gamma)
    return roi_pool([feats], rois, offsets, Grid(tuple(output_size), (float(spatial_scale), ), sampling_ratio, gamma))


def _reference(feats: Tensor, rois: Tensor, offsets: Tensor | None, output_size: tuple[int, int], spatial_scale: float,
               sampling_ratio: int, gamma: float) -> Tensor:
    wide = feats.to(rois.dtype)
    if offsets is None:
        rois = rois if sampling_ratio > 0 else upright(rois)
        return roi_align(wide, rois, output_size, spatial_scale, sampling_ratio, aligned=True).to(feats.dtype)
    channels, height, width = feats.shape[1:]
    edges = rois[:, 1:] * spatial_scale - .5
    sizes = edges[:, 2:] - edges[:, :2]  # (R, 2) width and height
    axes = []  # along y, then x
    for axis, bins, length in ((1, output_size[0], height), (0, output_size[1], width)):
        index = torch.arange(bins, dtype=rois.dtype, device=rois.device)
        index = index[:, None] if axis else index  # (h, 1) or (w)
        size = sizes[:, axis, None, None]
        starts = edges[:, axis, None, None] + index * (size / bins) + gamma * size * offsets[:, axis]  # (R, h, w)
        axes.append(_corners(starts, sizes[:, axis] / bins, length, sampling_ratio))
    (rows, row_weights, row_inside), (cols, col_weights, col_inside) = axes  # (R, h, w, 2 n)
    inside = row_inside[..., :, None] & col_inside[..., None, :]  # (R, h, w, 2 n, 2 n)
    images = rois[:, 0].long().view(-1, 1, 1, 1, 1)
    pixels = (images * height + rows[..., :, None]) * width + cols[..., None, :]
    weights = row_weights[..., :, None] * col_weights[..., None, :]
    counts = inside.sum(dim=(-2, -1)).flatten()  # (R h w)
    table = wide.permute(0, 2, 3, 1).reshape(-1, channels)  # (B H W, C)
    pooled = embedding_bag(pixels[inside], table, counts.cumsum(0) - counts, mode='sum',
                           per_sample_weights=weights[inside])
    return pooled.view(len(rois), *output_size, channels).permute(0, 3, 1, 2).contiguous().to(feats.dtype)


def _corners(starts: Tensor, sizes: Tensor, length: int, sampling_ratio: int) -> tuple[Tensor, Tensor, Tensor]:
    """The two pixels along one axis that each sample of a bin mixes, their weights, and whether they count.

    Args:
        starts: (R, h, w) where bins begin.
        sizes: (R,) how long they are.
        length: pixels of the map along the axis.
    """
    counts = torch.full_like(sizes, sampling_ratio) if sampling_ratio > 0 else sizes.ceil()
    counts = counts.clamp(min=0).nan_to_num(0)[:, None, None, None]  # (R, 1, 1, 1)
    steps = torch.arange(int(counts.max()) if len(counts) else 0, dtype=starts.dtype, device=starts.device)
    places = starts[..., None] + (steps + .5) * (sizes[:, None, None, None] / counts.clamp(min=1))  # (R, h, w, n)
    inside = (steps < counts) & (places >= -1) & (places <= length)
    places = places.clamp(0, length - 1)
    low = places.detach().floor()
    share = places - low
    weights = torch.cat([1 - share, share], dim=-1) / counts.clamp(min=1)
    pixels = torch.cat([low, (low + 1).clamp(max=length - 1)], dim=-1).long()
    return pixels, weights, inside.repeat(1, 1, 1, 2)


def _check(feats: Tensor, rois: Tensor, offsets: Tensor | None, output_size: tuple[int, int]) -> None:
    check_maps('feats', feats)
    check_rois(rois, len(feats), feats.device)
    check_output_size(output_size)
    expected = (len(rois), 2, *output_size)
    if offsets is not None and (tuple(offsets.shape) != expected or not offsets.is_floating_point()
                                or offsets.device != feats.device):
        raise ValueError(f'offsets must be floating point of shape {expected} on {feats.device}, got '
                         f'{tuple(offsets.shape)} {offsets.dtype} on {offsets.device}')
