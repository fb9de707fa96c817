import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from pedsearch.functional import evaluate_detection, mutual_best_match

from .plain_search import plain_iou

THREE_IMAGES = {  # search.md O-18
    1: ([[0, 0, 10, 20], [1, 0, 11, 20], [8, 0, 18, 18], [40, 0, 50, 20]], [.95, .9, .6, .8]),
    2: ([[0, 0, 10, 6], [0, 0, 10, 9]], [.7, .55]),
    3: ([[0, 0, 20, 40]], [.3]),
}
THREE_GT = {1: [[0, 0, 10, 20], [8, 0, 18, 20]], 2: [[0, 0, 10, 10]], 3: [[0, 0, 20, 40]]}


@pytest.mark.parametrize(('score_thr', 'recall', 'ap'), [(.5, .75, .475), (.01, 1, .617857)])
def test_three_images(score_thr, recall, ap):
    result = evaluate_detection(THREE_IMAGES, THREE_GT, score_thr=score_thr)
    assert result == pytest.approx({'recall': recall, 'AP': ap}, abs=1e-6)


def test_a_detection_that_lost_its_box_is_not_matched_again():  # search.md O-18
    dets = {0: ([[1, 0, 11, 20], [1.4, 0, 11.4, 20]], [.9, .8])}
    assert evaluate_detection(dets, {0: [[0, 0, 10, 20], [3, 0, 13, 20]]}) == pytest.approx({'recall': .5, 'AP': .5})
    assert mutual_best_match(np.array([[.8182, .6667], [.7544, .7241]]), .5).tolist() == [0, -1]


@pytest.mark.parametrize(('iou_thr', 'recall', 'ap'), [(.5, 1, .833333), (.75, .5, .5)])
def test_two_boxes(iou_thr, recall, ap):  # dicl.md O-4
    dets = {'a': ([[0, 0, 10, 20], [0, 0, 10, 18], [20, 0, 30, 12]], [.9, .8, .7], np.zeros((3, 2)))}
    result = evaluate_detection(dets, {'a': [[0, 0, 10, 20], [20, 0, 30, 20]]}, iou_thr=iou_thr)
    assert result == pytest.approx({'recall': recall, 'AP': ap}, abs=1e-6)


def test_of_two_equal_boxes_the_more_confident_one_is_right():
    dets = {0: ([[0, 0, 10, 20], [0, 0, 10, 20]], [.6, .9])}
    assert evaluate_detection(dets, {0: [[0, 0, 10, 20]]}) == {'recall': 1, 'AP': 1}


def test_annotated_boxes_as_detections_are_perfect():  # search.md O-28
    rng = np.random.default_rng(0)
    gt = {i: np.concatenate([c := rng.uniform(0, 500, (i, 2)), c + rng.uniform(20, 90, (i, 2))], axis=1)
          for i in range(6)}
    dets = {i: (boxes, np.ones(len(boxes))) for i, boxes in gt.items()}
    assert evaluate_detection(dets, gt) == {'recall': 1, 'AP': 1}


def test_against_a_plain_loop_in_any_order():
    rng = np.random.default_rng(1)
    dets, gt, flags = {}, {}, {}
    for i in range(40):
        corners = rng.uniform(0, 60, (int(rng.integers(0, 5)), 2))
        gt[i] = np.concatenate([corners, corners + 30], axis=1)
        flags[i] = rng.random(len(gt[i])) < 0.5
        near = np.concatenate([gt[i], gt[i]]) + rng.normal(0, 6, (2 * len(gt[i]), 1))
        dets[i] = (near, rng.random(len(near)))
    plain_hits, num_gt, num_flags, hit_flags = [], 0, 0, 0
    for i, (bboxes, scores) in dets.items():
        kept = [j for j in range(len(scores)) if scores[j] >= .5]
        ious = np.array([[plain_iou(bboxes[j], box) for box in gt[i]] for j in kept]).reshape(len(kept), len(gt[i]))
        matches = (ious >= .5)
        for j in range(len(kept)):
            matches[j, np.arange(len(gt[i])) != ious[j].argmax()] = False
        for g in range(len(gt[i])) if kept else ():
            matches[np.arange(len(kept)) != ious[:, g].argmax(), g] = False
        plain_hits += [(scores[j], bool(matches[k].any())) for k, j in enumerate(kept)]
        num_gt += len(gt[i])
        num_flags += flags[i].sum()
        hit_flags += matches.any(axis=0)[flags[i]].sum() if kept else 0
    recall = sum(hit for _, hit in plain_hits) / num_gt
    expected = {
        'recall': recall, 'recall_labelled': hit_flags / num_flags,
        'AP': recall * average_precision_score([hit for _, hit in plain_hits], [score for score, _ in plain_hits])}
    assert 0.1 < recall < 0.9
    assert evaluate_detection(dets, gt, labelled=flags) == pytest.approx(expected, abs=1e-12)
    mixed = {i: (dets[i][0][order], dets[i][1][order])
             for i in rng.permutation(40).tolist() for order in [rng.permutation(len(dets[i][1]))]}
    assert evaluate_detection(mixed, gt, labelled=flags) == pytest.approx(expected, abs=1e-12)


def test_tensors_missing_images_and_images_without_people():
    dets = {0: (torch.tensor([[0., 0, 10, 20]]), torch.tensor([.9])), 7: (torch.tensor([[0., 0, 9, 9]]), torch.tensor([.95]))}
    gt = {0: torch.tensor([[0., 0, 10, 20]]), 1: torch.tensor([[0., 0, 10, 20]]), 2: torch.zeros(0, 4)}
    assert evaluate_detection(dets, gt) == pytest.approx({'recall': .5, 'AP': .25})


def test_labelled_recall_without_labelled_people_is_nan():
    result = evaluate_detection({0: ([], [])}, {0: [[0, 0, 9, 9]]}, labelled={0: [False]})
    assert result['recall'] == result['AP'] == 0
    assert np.isnan(result['recall_labelled'])


@pytest.mark.parametrize(('dets', 'gt', 'kwargs', 'error', 'text'), [
    ({}, THREE_GT, {}, ValueError, 'detections must hold at least one image, got an empty dict'),
    ([], THREE_GT, {}, TypeError, 'detections must be a dict img_id -> .* got list'),
    (THREE_IMAGES, [], {}, TypeError, 'gt_bboxes must be a dict .* got list'),
    (THREE_IMAGES, {1: []}, {}, ValueError, 'gt_bboxes must hold at least one box, got none'),
    (THREE_IMAGES, {1: [[0, 0, -1, 4]]}, {}, ValueError, r'gt_bboxes\[1\]\[0\] must be finite'),
    ({1: ([[0, 0, 1, 1]], [.9, .8])}, THREE_GT, {}, ValueError, r'detections\[1\] must have one score per box'),
    ({1: ([[0, 0, 1, 1]], [np.nan])}, THREE_GT, {}, ValueError, r'score of a detection of image 1 must be in \[0, 1\]'),
    ({1: [[0, 0, 1, 1]]}, THREE_GT, {}, TypeError, r'detections\[1\] must be a tuple'),
    (THREE_IMAGES, THREE_GT, {'labelled': {1: [True]}}, ValueError, 'same images as gt_bboxes'),
    (THREE_IMAGES, THREE_GT, {'labelled': {1: [True], 2: [True], 3: [True]}}, ValueError,
     r'labelled\[1\] must have one flag per box, got 1 for 2 boxes'),
    (THREE_IMAGES, THREE_GT, {'score_thr': None}, ValueError, 'score_thr must be a number, got None'),
    (THREE_IMAGES, THREE_GT, {'iou_thr': 'x'}, ValueError, "iou_thr must be a number, got 'x'"),
    (THREE_IMAGES, THREE_GT, {'iou_thr': 0}, ValueError, r'iou_thr must be in \(0, 1\], got 0'),
])
def test_bad_input(dets, gt, kwargs, error, text):
    with pytest.raises(error, match=text):
        evaluate_detection(dets, gt, **kwargs)
