"""RoIAlign from the level of a feature pyramid that fits the size of each RoI.

Shape legend: L levels, B images, C channels, H x W feature map of a level, R RoIs, h x w bins of a RoI.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import roi_align

from .native import native_library
from .roi_pool import MAX_LEVELS, Grid, is_worthwhile, roi_pool
from .rois import check_maps, check_output_size, check_rois, compute_dtype, upright


def multi_level_roi_align(feats: Sequence[Tensor], rois: Tensor, output_size: tuple[int, int], strides: Sequence[int],
                          finest_scale: int = 56, sampling_ratio: int = 0, aligned: bool = True) -> Tensor:
    """RoIAlign of each RoI from level ``floor(log2(sqrt(area) / finest_scale + 1e-6))``, clamped to 0...L-1.

    Args:
        feats: L maps (B, C, H, W) of one floating point type, finest first. Differentiable.
        rois: (R, 5) rows (image index, x1, y1, x2, y2) in pixels of the image. No gradient.
        output_size: (h, w).
        strides: (L,) pixels of the image per pixel of each map.
        finest_scale: RoIs whose mean side is less than twice this are pooled from level 0.
        sampling_ratio: samples of a bin along both axes; 0: as many as the bin has pixels of the map, rounded up.
        aligned: pixel centres at integers; False: the older RoIAlign, half a pixel off, RoIs of at least one pixel.

    Returns:
        Tensor: (R, C, h, w) in the type of ``feats``; sums are kept in float32 or wider.

    Raises:
        ValueError: on other shapes or types; on the CPU, on an image index out of range (CUDA: NaN).

    Source: Lin et al., Feature Pyramid Networks, CVPR 2017, equation 1, as in mmdet's SingleRoIExtractor; He et al.,
        Mask R-CNN, ICCV 2017.
    Deviation: none.

    Example:
        >>> levels = [torch.full((1, 1, 16, 16), .5), torch.full((1, 1, 8, 8), 2.5)]
        >>> rois = torch.tensor([[0., 0., 0., 20., 20.], [0., 0., 0., 40., 40.]])
        >>> multi_level_roi_align(levels, rois, (1, 1), (4, 8), finest_scale=16).flatten()
        tensor([0.5000, 2.5000])
    """
    _check(feats, rois, output_size, strides)
    rois = rois.detach().to(compute_dtype(feats[0].dtype))
    native = native_library(rois.device) is not None and len(feats) <= MAX_LEVELS
    if not (native and is_worthwhile(feats, len(rois), output_size)):
        return _reference(feats, rois, output_size, strides, finest_scale, sampling_ratio, aligned)
    scales = tuple(1 / stride for stride in strides)
    return roi_pool(feats, rois, None, Grid(tuple(output_size), scales, sampling_ratio, 0., finest_scale, aligned))


def _reference(feats: Sequence[Tensor], rois: Tensor, output_size: tuple[int, int], strides: Sequence[int],
               finest_scale: int, sampling_ratio: int, aligned: bool) -> Tensor:
    sides = ((rois[:, 3] - rois[:, 1]) * (rois[:, 4] - rois[:, 2])).sqrt()
    levels = (sides / finest_scale + 1e-6).log2().floor().nan_to_num(0).clamp(0, len(feats) - 1)
    rois = upright(rois) if aligned and sampling_ratio == 0 else rois
    inds, pooled = [], []
    for level, (feat, stride) in enumerate(zip(feats, strides)):
        ind = (levels == level).nonzero()[:, 0]
        inds.append(ind)
        pooled.append(roi_align(feat.to(rois.dtype), rois[ind], output_size, 1 / stride, sampling_ratio, aligned))
    return torch.cat(pooled)[torch.cat(inds).argsort()].to(feats[0].dtype)


def _check(feats: Sequence[Tensor], rois: Tensor, output_size: tuple[int, int], strides: Sequence[int]) -> None:
    if not feats or len(feats) != len(strides):
        raise ValueError(f'feats and strides must be equally many, at least one, got {len(feats)} and {len(strides)}')
    first = feats[0]
    for level, feat in enumerate(feats):
        check_maps(f'feats[{level}]', feat)
        if feat.shape[:2] != first.shape[:2] or (feat.dtype, feat.device) != (first.dtype, first.device):
            raise ValueError(f'maps must be alike in B, C, type and device, got {tuple(first.shape)} {first.dtype} on '
                             f'{first.device} and, at level {level}, {tuple(feat.shape)} {feat.dtype} on {feat.device}')
    check_rois(rois, len(first), first.device)
    check_output_size(output_size)
