"""Bring annotated boxes into one form. Shape legend: n boxes of one image."""

import numpy as np


def xywh_to_xyxy(bboxes: np.ndarray) -> np.ndarray:
    """Turn top-left, width, height into two corners.

    The cast comes first: MATLAB files store small numbers as uint8, and 111 + 200 does not fit into a uint8.

    Args:
        bboxes (np.ndarray): (n, 4) or (4,) of any number type; a flat one is one box, an empty one none.

    Returns:
        np.ndarray: (n, 4) float32.

    Raises:
        ValueError: A box does not have 4 numbers.

    Example:
        >>> xywh_to_xyxy(np.array([153, 111, 77, 200], dtype=np.uint8)).tolist()
        [[153.0, 111.0, 230.0, 311.0]]
    """
    try:
        bboxes = np.asarray(bboxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f'a box must be 4 numbers x, y, w, h, got {bboxes!r}; correct the annotation') from None
    if bboxes.size == 0:
        return np.zeros((0, 4), dtype=np.float32)
    bboxes = np.atleast_2d(bboxes)
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise ValueError(f'a box must be 4 numbers x, y, w, h, got shape {bboxes.shape}; correct the annotation')
    return np.concatenate([bboxes[:, :2], bboxes[:, :2] + bboxes[:, 2:]], axis=1)


def clip_boxes(bboxes: np.ndarray, size: tuple[int, int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes at the image border and tell which of them are boxes at all.

    Args:
        bboxes (np.ndarray): (n, 4) float32, xyxy in pixels.
        size (tuple[int, int] | None): (height, width) of the image; None cuts at the left and upper border only.

    Returns:
        tuple[np.ndarray, np.ndarray]: (n, 4) float32 boxes inside the image; (n,) bool, False for boxes that are not
        finite, have no positive width and height as annotated, or lie outside the image.
    """
    height, width = size or (np.inf, np.inf)
    clipped = np.clip(bboxes, 0, np.array([width, height, width, height], dtype=np.float32))
    with np.errstate(invalid='ignore'):
        valid = np.isfinite(bboxes).all(axis=1) & (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    return clipped, valid
