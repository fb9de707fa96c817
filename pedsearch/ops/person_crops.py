"""Person crops: boxes of images resampled to one size, normalised, with rectangles painted over, in one pass.

Shape legend: B images, H x W pixels, R boxes, P patches, h x w size of a crop.
"""

import torch
from torch import Tensor
from torchvision.ops import roi_align

from .native import native_library
from .rois import DTYPE_CODES, check_maps, check_output_size, check_rois, compute_dtype, stored_dtype, upright


@torch.no_grad()
def person_crops(images: Tensor, rois: Tensor, output_size: tuple[int, int], mean: Tensor | None = None,
                 std: Tensor | None = None, patches: Tensor | None = None, fill: Tensor | None = None) -> Tensor:
    """RoIAlign (aligned, as many samples as pixels) of ``(painted image - mean) / std``, without making that image.

    Args:
        images: (B, 3, H, W) floating point or uint8. No gradient.
        rois: (R, 5) rows (image index, x1, y1, x2, y2) in pixels.
        output_size: (h, w).
        mean, std: (3,) of the normalisation, in units of ``images``; None: 0 and 1.
        patches: (P, 5) integers (image index, x1, y1, x2, y2): pixels x1 <= x < x2, y1 <= y < y2 are painted over.
        fill: (B, 3) what they are painted with, in units of ``images``; None: the mean of each image and channel.

    Returns:
        Tensor: (R, 3, h, w) in the type of ``images``, float32 for uint8.

    Raises:
        ValueError: on other shapes or types; on the CPU, on an image index out of range (CUDA: NaN for a box, a patch
            is not painted).

    Source: own; sampling of RoIAlign, He et al., Mask R-CNN, ICCV 2017.

    Example:
        >>> image = torch.arange(8, dtype=torch.uint8).expand(1, 3, 4, 8)
        >>> person_crops(image, torch.tensor([[0., 2., 0., 6., 4.]]), (2, 2), mean=torch.ones(3))[0, 0]
        tensor([[1.5000, 3.5000],
                [1.5000, 3.5000]])
    """
    _check(images, rois, output_size, patches, fill)
    dtype = compute_dtype(images.dtype)
    out_dtype = images.dtype if images.is_floating_point() else dtype
    mean = _per_channel('mean', mean, 0., images, dtype)
    std = _per_channel('std', std, 1., images, dtype)
    if patches is not None and fill is None:
        fill = images.to(dtype).mean(dim=(2, 3))
    rois = rois.to(dtype)
    library = native_library(images.device)
    if library is None or not len(rois):
        return _reference(images, rois, output_size, mean, std, patches, fill).to(out_dtype)
    images = images.to(stored_dtype(images)).contiguous()
    patches = None if patches is None else patches.long().contiguous()
    fill = None if fill is None else fill.to(images.device, dtype).contiguous()
    crops = rois.new_empty(len(rois), 3, *output_size)
    library.call('person_crops', images, rois.contiguous(), mean, std, patches, fill, len(images),
                 *images.shape[2:], len(rois), 0 if patches is None else len(patches), *output_size,
                 DTYPE_CODES[images.dtype], crops)
    return crops.to(out_dtype)


def _reference(images: Tensor, rois: Tensor, output_size: tuple[int, int], mean: Tensor, std: Tensor,
               patches: Tensor | None, fill: Tensor | None) -> Tensor:
    images = images.to(rois.dtype)
    if patches is not None and len(patches):
        images = torch.where(_painted(patches, images), fill.to(images)[:, :, None, None], images)
    images = (images - mean[:, None, None]) / std[:, None, None]
    return roi_align(images, upright(rois), output_size, 1., 0, aligned=True)


def _painted(patches: Tensor, images: Tensor) -> Tensor:
    """(B, 1, H, W) which pixels some patch covers: corners are counted, and summed up to the right and below."""
    batch, _, height, width = images.shape
    index, x1, y1, x2, y2 = patches.long().unbind(dim=1)
    x1, x2 = x1.clamp(0, width), x2.clamp(0, width)
    y1, y2 = y1.clamp(0, height), y2.clamp(0, height)
    sign = ((x2 > x1) & (y2 > y1)).int()
    changes = sign.new_zeros(batch, height + 1, width + 1)
    for y, x, change in ((y1, x1, sign), (y1, x2, -sign), (y2, x1, -sign), (y2, x2, sign)):
        changes.index_put_((index, y, x), change, accumulate=True)
    return (changes.cumsum(1).cumsum(2) > 0)[:, None, :height, :width]


def _per_channel(name: str, values: Tensor | None, default: float, images: Tensor, dtype: torch.dtype) -> Tensor:
    if values is None:
        return torch.full((3, ), default, dtype=dtype, device=images.device)
    if values.numel() != 3:
        raise ValueError(f'{name} must have 3 values, one for each channel, got {tuple(values.shape)}')
    return values.to(images.device, dtype).flatten()


def _check(images: Tensor, rois: Tensor, output_size: tuple[int, int], patches: Tensor | None,
           fill: Tensor | None) -> None:
    if images.dtype != torch.uint8:
        check_maps('images', images)
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(f'images must have shape (B, 3, H, W), H and W positive, got {tuple(images.shape)}')
    check_rois(rois, len(images), images.device)
    check_output_size(output_size)
    if patches is not None and (patches.ndim != 2 or patches.shape[1] != 5 or patches.is_floating_point()
                                or patches.device != images.device):
        raise ValueError(f'patches must be integers of shape (P, 5) on {images.device}, got {tuple(patches.shape)} '
                         f'{patches.dtype} on {patches.device}; round their corners first')
    if patches is not None and images.device.type == 'cpu' and len(patches):
        first, last = int(patches[:, 0].min()), int(patches[:, 0].max())
        if first < 0 or last >= len(images):
            raise ValueError(f'image indices of patches must be in 0...{len(images) - 1}, got {first} to {last}; is '
                             'the first column missing?')
    if fill is not None and tuple(fill.shape) != (len(images), 3):
        raise ValueError(f'fill must have shape ({len(images)}, 3), got {tuple(fill.shape)}')
