"""Bring annotated boxes into one form. Shape legend: n boxes of one image."""

import numpy as np


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
