import numpy as np
import pytest
import torch

from pedsearch.functional.boxes import check_bboxes, paired_iou, pairwise_iou, search_iou_threshold, xywh_to_xyxy


def test_threshold_of_small_targets():  # dicl.md O-1
    sides = np.array([(20, 40), (10, 20), (13, 36), (20, 55), (50, 150)])
    bboxes = np.concatenate([np.full((5, 2), 7), 7 + sides], axis=1)
    np.testing.assert_allclose(search_iou_threshold(bboxes), [0.5, 0.333333, 0.442344, 0.5, 0.5], atol=1e-6)


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int16, np.float32, np.float64])
def test_conversion_does_not_overflow(dtype):  # dicl.md O-21
    converted = xywh_to_xyxy(np.array([[153, 111, 77, 200]], dtype))
    assert converted.tolist() == [[153, 111, 230, 311]]
    assert converted.dtype == (np.float64 if dtype == np.float64 else np.float32)


def test_conversion_leaves_its_input_alone():
    bboxes = np.array([1.0, 2.0, 3.0, 4.0])
    xywh_to_xyxy(bboxes)
    assert bboxes.tolist() == [1, 2, 3, 4]


def test_iou_conventions():  # dicl.md O-29
    a, b = np.array([[50, 50, 90, 100]]), np.array([[70, 80, 120, 150]])
    assert pairwise_iou(a, b).item() == pytest.approx(0.078431, abs=1e-6)
    assert pairwise_iou(a, b, plus_one=True).item() == pytest.approx(0.083665, abs=1e-6)


def test_pairs_are_the_diagonal_of_all_pairs_and_match_counting_pixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 12, size=(2, 20, 2))
    a, b = (np.concatenate([corner, corner + rng.integers(0, 8, size=(20, 2))], axis=1) for corner in corners)
    np.testing.assert_array_equal(paired_iou(a, b), np.diag(pairwise_iou(a, b)))
    for box_a, box_b, iou in zip(a, b, paired_iou(a, b)):
        canvas = np.zeros((2, 24, 24), dtype=bool)
        canvas[0, box_a[1]:box_a[3], box_a[0]:box_a[2]] = True
        canvas[1, box_b[1]:box_b[3], box_b[0]:box_b[2]] = True
        assert iou == pytest.approx(canvas.all(axis=0).sum() / max(1, canvas.any(axis=0).sum()))


def test_validation_returns_float64_of_anything():
    assert check_bboxes([]).shape == (0, 4)
    assert check_bboxes(torch.tensor([[0, 0, 2, 2]], dtype=torch.bfloat16)).dtype == np.float64


@pytest.mark.parametrize(('bboxes', 'error', 'text'), [
    ([[0, 0, np.nan, 4]], ValueError, r'bboxes\[0\] must be finite .* got \[0.0, 0.0, nan, 4.0\]'),
    ([[0, 0, 1, 1], [5, 5, 3, 9]], ValueError, r'bboxes\[1\] must be finite .* convert .* with xywh_to_xyxy'),
    ([[0, 0, 1, np.inf]], ValueError, 'must be finite'),
    ([0, 0, 1, 1], ValueError, r'must have shape \(n, 4\), got \(4,\)'),
    ([[0, 0, 1, 1, 0.9]], ValueError, r'must have shape \(n, 4\), got \(1, 5\)'),
    ([[0, 0, 1, 1], [0, 0]], TypeError, 'must be an array of numbers, got list'),
    ('box', TypeError, 'must be an array of numbers, got str'),
    (None, TypeError, 'must be an array of numbers, got NoneType'),
])
def test_bad_boxes(bboxes, error, text):
    with pytest.raises(error, match=text):
        check_bboxes(bboxes)


def test_bad_conversion():
    with pytest.raises(ValueError, match=r'shape \(n, 4\) or \(4,\), got \(2, 5\)'):
        xywh_to_xyxy(np.zeros((2, 5)))
