import numpy as np
import pytest
import torch

from pedsearch.clustering import split_same_scene

FEATS = [[1, 0], [.9, .1], [.8, .3], [0, 1], [.1, .9], [.7, .7]]
LABELS, IMAGES = [0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 2, 1]


def plain_split(labels, feats, image_ids):
    feats = np.asarray(feats, dtype=np.float64)
    feats = feats / np.maximum(np.linalg.norm(feats, axis=1, keepdims=True), 1e-300)
    members = {label: [i for i in range(len(labels)) if labels[i] == label] for label in set(labels)}
    leaving = []
    for i, label in enumerate(labels):
        if label < 0:
            continue
        centre = np.mean([feats[j] for j in members[label]], axis=0)
        rivals = [j for j in members[label] if image_ids[j] == image_ids[i]]
        dots = [np.sum(feats[j] * centre) for j in rivals]
        if rivals[int(np.argmax(dots))] != i:
            leaving.append(i)
    result = list(labels)
    for number, i in enumerate(leaving, start=max(labels, default=-1) + 1):
        result[i] = number
    return result


def random_case(seed):
    """Some features occur twice, some are zero, some images hold many boxes."""
    rng = np.random.default_rng(seed)
    num, dims = rng.integers(1, 60), rng.choice([1, 3, 7, 16])
    feats = rng.standard_normal((num, dims))
    twins = rng.integers(0, num, (2, num // 3))
    feats[twins[0]] = feats[twins[1]]
    feats[rng.random(num) < .05] = 0
    return rng.integers(-1, 5, num).tolist(), feats, rng.integers(0, 8, num).tolist()


def test_six_boxes():  # dicl.md O-7
    assert split_same_scene(LABELS, FEATS, IMAGES).tolist() == [2, 0, 0, 1, 1, 3]


@pytest.mark.parametrize('make', [np.array, torch.tensor, tuple])
@pytest.mark.parametrize('scale', [1, 1e-12, 1e12])
def test_every_kind_of_input(make, scale):
    feats = (np.array(FEATS) * np.arange(1, 7)[:, None] * scale).tolist()
    assert split_same_scene(make(LABELS), make(feats), make(IMAGES)).tolist() == [2, 0, 0, 1, 1, 3]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32])
def test_every_precision_and_stride(dtype):
    feats = torch.tensor(FEATS, dtype=dtype).repeat(1, 2)[:, ::2].T.contiguous().T
    feats = torch.stack([feats[:, 0], torch.tensor(FEATS, dtype=dtype)[:, 1]]).T
    assert split_same_scene(LABELS, feats, IMAGES).tolist() == [2, 0, 0, 1, 1, 3]


@pytest.mark.parametrize('names', ['aabbcb', ['s1.jpg', 's1.jpg', 's2.jpg', 's2.jpg', 's3.jpg', 's2.jpg'],
                                   np.array(list('aabbcb')), np.array([7, 7, 'b', 'b', None, 'b'], object),
                                   [1, 1, '1', '1', (1, 2), '1'], [2**60 + 1] * 2 + [2**60, 2**60, -5, 2**60]], ids=repr)
def test_images_of_any_name(names):
    assert split_same_scene(LABELS, FEATS, names).tolist() == [2, 0, 0, 1, 1, 3]


@pytest.mark.parametrize('seed', range(60))
def test_random_boxes(seed):
    labels, feats, image_ids = random_case(seed)
    result = split_same_scene(labels, feats, image_ids)
    assert result.dtype == np.int64
    assert result.tolist() == plain_split(labels, feats, image_ids)
    pairs = [(label, image) for label, image in zip(result.tolist(), image_ids) if label >= 0]
    assert len(pairs) == len(set(pairs)), 'no image has two boxes of one cluster'
    assert (result >= 0).tolist() == [label >= 0 for label in labels]
    assert split_same_scene(result, feats, image_ids).tolist() == result.tolist(), 'nothing is left to split'
    contiguous = np.unique(labels, return_inverse=True)[1]
    result = split_same_scene(contiguous, feats, image_ids)
    assert sorted(set(result.tolist())) == list(range(result.max() + 1))


def test_equal_boxes_stay_by_index():
    feats = np.random.default_rng(0).standard_normal(37)
    for first in range(4):
        rows = np.tile(feats, (5, 1))
        assert split_same_scene([3] * 5, rows[:, first:], ['x'] * 5).tolist() == [3, 4, 5, 6, 7]


def test_labels_far_apart_and_noise():
    assert split_same_scene([-1, 2**60, -1, 2**60], np.eye(4), [0, 0, 0, 0]).tolist() == [-1, 2**60, -1, 2**60 + 1]
    assert split_same_scene([-1, -1], np.eye(2), [0, 0]).tolist() == [-1, -1]


def test_few_or_no_boxes():
    assert split_same_scene([], np.zeros((0, 4)), []).shape == (0,)
    assert split_same_scene([], torch.zeros(0, 4), np.zeros(0)).shape == (0,)
    assert split_same_scene([5], [[1, 2]], ['a']).tolist() == [5]


def test_the_labels_are_left_as_they_are():
    labels = np.array(LABELS)
    split_same_scene(labels, FEATS, IMAGES)
    assert labels.tolist() == LABELS


@pytest.mark.parametrize(('change', 'error', 'text'), [
    ({'labels': [0., 0, 0, 1, 1, 0]}, TypeError, 'labels must hold integers, got float64'),
    ({'labels': [0, 0, -3, 1, 1, 0]}, ValueError, r'labels must be -1 \(noise\) or a cluster >= 0, got -3'),
    ({'feats': FEATS[:5]}, ValueError, '^feats must have 6 rows, one a label, got 5$'),
    ({'feats': [1, 2, 3, 4, 5, 6]}, ValueError, r'feats must have shape \(N, D\), got \(6,\)'),
    ({'feats': [[np.nan, 1], *FEATS[1:]]}, ValueError, 'feats must be finite, got NaN or infinity in 1 of 6 rows'),
    ({'feats': 'feats'}, TypeError, 'feats must be an array of numbers, got str'),
    ({'image_ids': IMAGES[:5]}, ValueError, r'^image_ids must have shape \(6,\), one id a label, got \(5,\)$'),
    ({'image_ids': np.zeros((6, 1), int)}, ValueError, r'image_ids must have shape \(6,\), one id a label, got \(6, 1\)'),
    ({'image_ids': np.zeros(6)}, TypeError, '^image_ids must be ints or strings, got float64$'),
    ({'image_ids': torch.zeros(6)}, TypeError, 'image_ids must be ints or strings, got float32'),
    ({'image_ids': [[0]] * 6}, TypeError, 'an image id must be an image id such as an int or a file name, got list'),
    ({'image_ids': 3}, TypeError, 'image_ids must be a sequence of ints or strings, got int'),
    ({'image_ids': None}, TypeError, 'image_ids must be a sequence of ints or strings, got NoneType'),
])
def test_bad_input(change, error, text):
    with pytest.raises(error, match=text):
        split_same_scene(**{'labels': LABELS, 'feats': FEATS, 'image_ids': IMAGES, **change})
