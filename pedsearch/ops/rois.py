"""What the operators on regions of interest (RoIs) share: checks, and the grid of samples of every bin.

Shape legend: B images, R RoIs (image index, x1, y1, x2, y2), h x w bins of a RoI, n samples of a bin along one axis.
"""

import torch
from torch import Tensor

FLOAT_TYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
HALF_TYPE_DEVICES = ('cuda', )  # whose kernels read half types
DTYPE_CODES = {torch.float32: 0, torch.float64: 1, torch.float16: 2, torch.bfloat16: 3, torch.uint8: 4}  # of kernels


def compute_dtype(dtype: torch.dtype) -> torch.dtype:
    """The type of boxes, weights and sums: half types would move a box by several pixels."""
    return dtype if dtype in (torch.float32, torch.float64) else torch.float32


def stored_dtype(tensor: Tensor) -> torch.dtype:
    """The type in which the kernels read ``tensor``: its own, or float32 where they do not know half types."""
    known = tensor.dtype not in (torch.float16, torch.bfloat16) or tensor.device.type in HALF_TYPE_DEVICES
    return tensor.dtype if known else torch.float32


def check_maps(name: str, maps: Tensor) -> None:
    """Raise a ValueError unless ``maps`` is (B, C, H, W) of floating point with at least one pixel."""
    if maps.ndim != 4 or maps.dtype not in FLOAT_TYPES or 0 in maps.shape[2:]:
        raise ValueError(f'{name} must be floating point of shape (B, C, H, W), H and W positive, got '
                         f'{tuple(maps.shape)} {maps.dtype}')


def check_rois(rois: Tensor, num_images: int, device: torch.device) -> None:
    """Raise a ValueError unless ``rois`` is (R, 5) on ``device`` with image indices in 0...B-1.

    Indices are looked at on the CPU only, as reading them back would stop a GPU; the kernels there answer NaN.
    """
    if rois.ndim != 2 or rois.shape[1] != 5 or not rois.is_floating_point() or rois.device != device:
        raise ValueError(f'rois must be floating point of shape (R, 5) on {device}, got {tuple(rois.shape)} '
                         f'{rois.dtype} on {rois.device}; its rows are (image index, x1, y1, x2, y2)')
    if device.type == 'cpu' and len(rois) and not bool(((rois[:, 0] >= 0) & (rois[:, 0] < num_images)).all()):
        raise ValueError(f'image indices of rois must be in 0...{num_images - 1}, got {rois[:, 0].min().item():g} to '
                         f'{rois[:, 0].max().item():g}; is the first column missing?')


def check_output_size(output_size: tuple[int, int]) -> None:
    """Raise a ValueError unless ``output_size`` is (height, width) of at least one bin."""
    if len(output_size) != 2 or min(output_size) < 1:
        raise ValueError(f'output_size must be (height, width), both positive, got {output_size}')


def upright(rois: Tensor) -> Tensor:
    """RoIs whose end lies before their begin, without area: the library's CPU kernel cannot count their samples."""
    return torch.cat([rois[:, :3], torch.maximum(rois[:, 1:3], rois[:, 3:])], dim=1)
