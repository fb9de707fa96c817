import numpy as np
import pytest

from pedsearch.datasets.search_datasets.annotated_boxes import clip_boxes, xywh_to_xyxy


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_small_integers_do_not_wrap_around(dtype):
    # dicl.md O-21: 111 + 200 in uint8 is 55
    assert xywh_to_xyxy(np.array([[153, 111, 77, 200]], dtype=dtype)).tolist() == [[153, 111, 230, 311]]


def test_empty_cells_are_no_boxes():
    assert xywh_to_xyxy(np.zeros((1, 0))).shape == (0, 4)
    assert xywh_to_xyxy([]).shape == (0, 4)


@pytest.mark.parametrize('bad', [[1, 2, 3], [[1, 2, 3, 4, 5]], 7.0])
def test_wrong_number_of_values(bad):
    with pytest.raises(ValueError, match=r'a box must be 4 numbers x, y, w, h, got shape'):
        xywh_to_xyxy(bad)


def test_text_is_no_box():
    with pytest.raises(ValueError, match=r'a box must be 4 numbers x, y, w, h, got .*abcd'):
        xywh_to_xyxy(['a', 'b', 'c', 'abcd'])


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
