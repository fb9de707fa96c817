"""Boxes: overlap, the search protocol's threshold, format conversion, validation.

Shape legend: n, m boxes; a box is (x1, y1, x2, y2) in absolute pixels unless a name says xywh.
"""

from typing import Any

import numpy as np

from .arrays import as_array


def xywh_to_xyxy(bboxes: Any) -> np.ndarray:
    """Turn (x, y, w, h) into (x1, y1, x2, y2) without overflow.

    MATLAB files hold uint8 or uint16 where the values fit, so the addition is done in floating point.

    Args:
        bboxes (array-like): (n, 4) or (4,), any numeric dtype.

    Returns:
        numpy.ndarray: same shape, float32 (float64 where float32 could lose digits of the input's dtype).

    Example:
        >>> xywh_to_xyxy(np.array([153, 111, 77, 200], np.uint8)).tolist()
        [153.0, 111.0, 230.0, 311.0]
    """
    bboxes = as_array(bboxes, 'bboxes')
    if bboxes.ndim == 0 or bboxes.shape[-1] != 4:
        raise ValueError(f'bboxes must have shape (n, 4) or (4,), got {bboxes.shape}; each box is (x, y, w, h)')
    bboxes = bboxes.astype(np.promote_types(bboxes.dtype, np.float32))
    bboxes[..., 2:] += bboxes[..., :2]
    return bboxes


def check_bboxes(bboxes: Any, name: str = 'bboxes', allow_empty_area: bool = True) -> np.ndarray:
    """Validate boxes and return them as float64.

    Args:
        bboxes (array-like | torch.Tensor): (n, 4) xyxy; anything without elements counts as (0, 4).
        name (str): what to call the boxes in an error.
        allow_empty_area (bool): accept boxes of zero width or height, which overlap with nothing.

    Returns:
        numpy.ndarray: (n, 4) float64.

    Raises:
        ValueError: on a wrong shape, NaN or infinite coordinates, or x2 < x1 or y2 < y1.
    """
    bboxes = as_array(bboxes, name)
    if bboxes.size == 0:
        return np.zeros((0, 4))
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise ValueError(f'{name} must have shape (n, 4), got {bboxes.shape}; pass one (x1, y1, x2, y2) row per box')
    bboxes = bboxes.astype(np.float64)
    check_bbox_values(bboxes, lambda row: f'{name}[{row}]', allow_empty_area)
    return bboxes


def check_bbox_values(bboxes: np.ndarray, name_of_row: Any, allow_empty_area: bool = True) -> None:
    """Raise ValueError naming the first row of ``bboxes`` (n, 4) that is no box; see :func:`check_bboxes`."""
    sides = bboxes[:, 2:] - bboxes[:, :2]
    legal = np.isfinite(bboxes).all(axis=1) & (sides >= 0 if allow_empty_area else sides > 0).all(axis=1)
    if not legal.all():
        row = int(np.argmin(legal))
        rule = 'x1 <= x2, y1 <= y2' if allow_empty_area else 'x1 < x2, y1 < y2'
        raise ValueError(f'{name_of_row(row)} must be finite (x1, y1, x2, y2) with {rule}, got {bboxes[row].tolist()}; '
                         'convert (x, y, w, h) with xywh_to_xyxy and drop empty boxes')


def pairwise_iou(bboxes1: np.ndarray, bboxes2: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Intersection over union of every pair.

    Args:
        bboxes1 (numpy.ndarray): (n, 4).
        bboxes2 (numpy.ndarray): (m, 4).
        plus_one (bool): count pixels instead of measuring lengths, so that a side is x2 - x1 + 1 (older Caffe and
            MATLAB tools). Default: plain lengths.

    Returns:
        numpy.ndarray: (n, m) float64 in [0, 1]; 0 where both boxes are empty.
    """
    bboxes1 = np.asarray(bboxes1, dtype=np.float64)
    bboxes2 = np.asarray(bboxes2, dtype=np.float64)
    return paired_iou(bboxes1[:, None], bboxes2[None], plus_one)  # (n, 1, 4), (1, m, 4) -> (n, m)


def paired_iou(bboxes1: np.ndarray, bboxes2: np.ndarray, plus_one: bool = False) -> np.ndarray:
    """Intersection over union of box pairs: (..., 4) and (..., 4), broadcast together, give (...)."""
    extra = 1.0 if plus_one else 0.0
    sides = np.minimum(bboxes1[..., 2:], bboxes2[..., 2:]) - np.maximum(bboxes1[..., :2], bboxes2[..., :2]) + extra
    sides1 = bboxes1[..., 2:] - bboxes1[..., :2] + extra
    sides2 = bboxes2[..., 2:] - bboxes2[..., :2] + extra
    overlap = np.maximum(sides[..., 0], 0) * np.maximum(sides[..., 1], 0)
    union = sides1[..., 0] * sides1[..., 1] + sides2[..., 0] * sides2[..., 1] - overlap
    return overlap / np.where(union > 0, union, 1)


def search_iou_threshold(bboxes: np.ndarray) -> np.ndarray:
    """Overlap that a detection needs to count as finding a target; small targets get a lower bar.

    ``min(0.5, w h / ((w + 10) (h + 10)))``

    Args:
        bboxes (numpy.ndarray): (m, 4) target boxes.

    Returns:
        numpy.ndarray: (m,) float64.

    Source: CUHK-SYSU search protocol (Xiao et al., CVPR 2017). Deviation: none.
    """
    bboxes = np.asarray(bboxes, dtype=np.float64)
    width, height = bboxes[..., 2] - bboxes[..., 0], bboxes[..., 3] - bboxes[..., 1]
    return np.minimum(0.5, width * height / ((width + 10) * (height + 10)))
