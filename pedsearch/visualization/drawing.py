"""What pictures are made of: colours, fonts, frames, and pieces cut from images.

Colours mean the same everywhere: blue the query, green a match, red another person, violet an answer where nobody knows
the truth, amber (dashed) a target that was missed.

Shape legend: H x W image; a region is (x1, y1, x2, y2) in pixels of an image and may stick out of it.
"""

import os.path as osp
from collections.abc import Sequence
from functools import cache
from math import ceil

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pedsearch.datasets.transforms import LoadImage

QUERY, MATCH, OTHER, MISSED, UNKNOWN = 'query', 'match', 'other person', 'missed', 'unknown'
COLORS = {
    QUERY: (47, 107, 214),
    MATCH: (38, 154, 88),
    OTHER: (212, 60, 60),
    MISSED: (232, 150, 32),
    UNKNOWN: (112, 78, 190),
}
PAPER, INK, FAINT = (255, 255, 255), (32, 36, 42), (120, 126, 134)
OUTSIDE = (236, 238, 241)
"""Colour of what lies outside an image."""


def read_image(image: str | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB; a path is read as datasets read it."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f'an image must be a (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}')
        return image
    return LoadImage()(dict(img_path=str(image)))['img'][..., ::-1]


def surround(bbox: Sequence[float], size: tuple[int, int], context: float = 1.0) -> tuple[float, ...]:
    """The smallest region around a box that has the proportions of ``size``; ``context`` first enlarges the box."""
    (x1, y1, x2, y2), (height, width) = map(float, bbox), size
    scale = max((x2 - x1) * context / width, (y2 - y1) * context / height, 1 / height)  # image pixels per cell pixel
    left, top = (x1 + x2 - width * scale) / 2, (y1 + y2 - height * scale) / 2
    return left, top, left + width * scale, top + height * scale


def cut_out(image: np.ndarray, region: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """Cut a region (x1, y1, x2, y2) and resample it to ``size`` (height, width); the outside is grey."""
    height, width = image.shape[:2]
    border = ceil(max(0., -region[0], -region[1], region[2] - width, region[3] - height))
    picture = Image.fromarray(np.ascontiguousarray(image))
    if border:
        picture = ImageOps.expand(picture, border, OUTSIDE)
    return picture.resize(size[::-1], Image.Resampling.LANCZOS, box=[value + border for value in region])


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A font that comes with matplotlib, so it is at hand everywhere."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(osp.join(matplotlib.get_data_path(), 'fonts', 'ttf', name), size)


def draw_box(draw: ImageDraw.ImageDraw, bbox: Sequence[float], kind: str, width: int) -> None:
    """A box with a thin white edge, which keeps it visible on any ground."""
    x1, y1, x2, y2 = bbox[0], bbox[1], max(bbox[2], bbox[0] + 1), max(bbox[3], bbox[1] + 1)
    if kind == MISSED:
        draw_dashes(draw, (x1, y1, x2, y2), kind, width)
        return
    draw.rectangle((x1 - width, y1 - width, x2 + width - 1, y2 + width - 1), outline=PAPER, width=1)
    draw.rectangle((x1 - width + 1, y1 - width + 1, x2 + width - 2, y2 + width - 2), outline=COLORS[kind], width=width)


def draw_dashes(draw: ImageDraw.ImageDraw, outer: Sequence[float], kind: str, width: int) -> None:
    """A dashed rectangle whose strokes lie inside ``outer``; every side starts and ends with a dash."""
    x1, y1, x2, y2 = outer
    for start, end, horizontal in ((x1, x2, True), (y1, y2, False)):
        strokes = max(1, round((end - start) / (4 * width) - 0.5))
        dash = (end - start) / (2 * strokes + 1)
        for a in (start + 2 * dash * index for index in range(strokes + 1)):
            for side in ((y1, y2 - width) if horizontal else (x1, x2 - width)):
                box = (a, side, a + dash - 1, side + width - 1)
                draw.rectangle(box if horizontal else (box[1], box[0], box[3], box[2]), fill=COLORS[kind])
