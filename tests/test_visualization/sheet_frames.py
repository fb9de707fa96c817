"""Noise pictures, and where a sheet has its frames."""

import cv2
import numpy as np

from pedsearch.visualization.drawing import COLORS, MISSED
from pedsearch.visualization.sheet import CROP_SIZE, FRAME


def picture(seed: int, height: int = 300, width: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (height, width, 3), dtype=np.uint8)


def frames(sheet: np.ndarray, kind: str) -> list[tuple[int, int, int, int]]:
    """Outer rectangles (x1, y1, x2, y2) of the frames of a kind, row by row."""
    mask = (sheet == COLORS[kind]).all(axis=2).astype(np.uint8)
    reach = 12 if kind == MISSED else 0  # closes the gaps between dashes
    grown = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown)
    found = [tuple(int(value) for value in stat[:4]) for stat in stats[1:count] if min(stat[2:4]) > 100]
    found = [(x + reach, y + reach, x + w - reach, y + h - reach) for x, y, w, h in found]
    if kind == MISSED:  # growing has joined the frame and the caption below it
        found = [(x, y, x2, y + CROP_SIZE[0] + 2 * FRAME) for x, y, x2, _ in found]
        assert all((sheet[y2 - 1, x] == COLORS[kind]).all() for x, _, _, y2 in found)
    return sorted(found, key=lambda frame: (frame[1], frame[0]))
