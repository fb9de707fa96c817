import numpy as np
import pytest

from pedsearch.datasets.search_datasets.annotated_boxes import clip_boxes
from pedsearch.functional import xywh_to_xyxy


def test_clip_equals_a_loop_over_pixels():
    rng = np.random.default_rng(0)
    height, width = 20, 30
    boxes = xywh_to_xyxy(rng.integers(-15, 40, (300, 4)))
    clipped, valid = clip_boxes(boxes, (height, width))
    for (x1, y1, x2, y2), result, good in zip(boxes, clipped, valid):
        pixels = [(x, y) for x in range(width) for y in range(height) if x1 <= x < x2 and y1 <= y < y2]
        assert good == bool(pixels)
        if pixels:
            (left, top), (right, bottom) = np.min(pixels, 0), np.max(pixels, 0) + 1
            assert result.tolist() == [left, top, right, bottom]


@pytest.mark.parametrize('box', [[np.nan, 0, 5, 5], [0, 0, np.inf, 5], [3, 3, 3, 9], [9, 3, 5, 9], [-9, -9, -1, -1]])
def test_what_is_no_box(box):
    assert clip_boxes(np.array([box], dtype=np.float32))[1].tolist() == [False]
