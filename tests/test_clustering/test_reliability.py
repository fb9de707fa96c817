import numpy as np
import pytest
import torch

from pedsearch.clustering import reliable_labels
from pedsearch.clustering.reliability import _jaccard_distance

FIRST = [0, 0, 0, 1, 1, 2], [0, 0, 1, 2, 2, 3], [0, 0, 0, 0, 0, 1]
SECOND = [0, 0, 0, 0, 1, 1, 2, 2, 3], [0, 0, 0, 1, 2, 2, 3, 4, 5], [0, 0, 0, 0, 1, 1, 1, 1, 2]


def plain_distances(labels, others):
    """1 - |A & B| / |A | B| by sets of members; noise is a cluster of one."""
    def members(values, i):
        return {j for j, value in enumerate(values) if value == values[i]} if values[i] >= 0 else {i}
    clusters = [(members(labels, i), members(others, i)) for i in range(len(labels))]
    return [1 - len(a & b) / len(a | b) for a, b in clusters]


def plain_reliable(normal, tight, loose, threshold=None):
    """The walk over the points, one after the other."""
    names = [label if label >= 0 else ('noise', i) for i, label in enumerate(normal)]
    comp, indep = plain_distances(normal, tight), plain_distances(normal, loose)
    cluster_comp = {name: min(r for r, other in zip(comp, names) if other == name) for name in names}
    cluster_indep = {name: min(r for r, other in zip(indep, names) if other == name) for name in names}
    left = {name: names.count(name) for name in names}
    if threshold is None:
        scores = sorted(cluster_indep[name] for name in left if left[name] > 1)
        threshold = scores[min(len(scores) - 1, int(np.round(len(scores) * .9)))] if scores else None
    result, number = [], max(normal, default=-1) + 1
    for i, name in enumerate(names):
        leaves = comp[i] > cluster_comp[name] or (threshold is not None and cluster_indep[name] > threshold)
        if leaves and left[name] > 1:
            left[name] -= 1
            name = None
        result.append(number if name is None or normal[i] < 0 else name)
        number += result[-1] == number
    return result, threshold


def test_six_points():  # dicl.md O-8
    labels, threshold = reliable_labels(*FIRST)
    assert labels.dtype == np.int64
    assert labels.tolist() == [0, 0, 3, 1, 1, 2]
    assert type(threshold) is float
    assert threshold == pytest.approx(.6)
    labels, threshold = reliable_labels(*FIRST, threshold=.3)
    assert labels.tolist() == [3, 4, 0, 5, 1, 2], 'the last member keeps its label'
    assert threshold == .3


def test_nine_points():  # dicl.md O-8
    labels, threshold = reliable_labels(*SECOND)
    assert labels.tolist() == [0, 0, 0, 4, 1, 1, 2, 2, 3]
    assert threshold == .5


@pytest.mark.parametrize(('labels', 'others', 'expected'), [  # dicl.md O-8
    (FIRST[0], FIRST[1], [1 / 3, 1 / 3, 2 / 3, 0, 0, 0]), (FIRST[0], FIRST[2], [.4, .4, .4, .6, .6, 0]),
    (SECOND[0], SECOND[1], [.25, .25, .25, .75, 0, 0, .5, .5, 0])])
def test_distances_by_counts(labels, others, expected):
    assert _jaccard_distance(np.array(labels), np.array(others)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize('seed', range(80))
def test_random_labels(seed):
    rng = np.random.default_rng(seed)
    num, num_clusters = rng.integers(1, 50), rng.integers(1, 20)
    labelings = [rng.integers(-1, num_clusters, num).tolist() for _ in range(3)]
    if seed % 2:  # labels as they come from three radii: mostly alike
        for i in range(1, 3):
            labelings[i] = np.where(rng.random(num) < .8, labelings[0], labelings[i]).tolist()
    for threshold in (None, 0, .3, .5, .8, 1):
        labels, used = reliable_labels(*labelings, threshold=threshold)
        expected, expected_threshold = plain_reliable(*labelings, threshold=threshold)
        assert labels.tolist() == expected
        assert used == expected_threshold
        kept = labels <= max(labelings[0])
        assert (labels[kept] == np.array(labelings[0])[kept]).all()
        assert set(labels.tolist()) >= set(labelings[0]) - {-1}, 'no cluster vanishes'


@pytest.mark.parametrize(('num_pairs', 'place'), [(1, 0), (2, 1), (4, 3), (5, 4), (15, 14), (25, 22), (30, 27)])
def test_nine_tenths_are_rounded_to_even(num_pairs, place):
    """The pair ``i`` is within a loose cluster of 2 + i members."""
    normal = np.arange(num_pairs).repeat(2)
    sizes = np.arange(num_pairs)
    normal = np.concatenate([normal, np.full(sizes.sum(), -1)])
    loose = np.concatenate([normal[:2 * num_pairs], np.arange(num_pairs).repeat(sizes)])
    assert reliable_labels(normal, normal, loose)[1] == 1 - 2 / (2 + place)


def test_the_order_of_the_points_does_not_change_the_threshold():
    rng = np.random.default_rng(0)
    labelings = rng.integers(-1, 12, (3, 60))
    order = rng.permutation(60)
    assert reliable_labels(*labelings)[1] == reliable_labels(*labelings[:, order])[1]


def test_labels_that_agree_stay():
    normal = np.array([0, 3, 3, 0, 1])
    labels, threshold = reliable_labels(normal, normal, normal)
    assert labels.tolist() == normal.tolist()
    assert labels is not normal
    assert threshold == 0


def test_without_a_cluster_of_two_there_is_no_threshold():
    for normal, expected in (([], []), ([-1], [0]), ([4], [4]), ([-1, 0, -1], [1, 0, 2])):
        labels, threshold = reliable_labels(normal, normal, [0] * len(normal))
        assert labels.dtype == np.int64
        assert labels.tolist() == expected
        assert threshold is None


def test_tensors_and_lists():
    labels, threshold = reliable_labels(torch.tensor(FIRST[0]), list(FIRST[1]), np.array(FIRST[2], np.int32),
                                        threshold=torch.tensor(.3))
    assert labels.tolist() == [3, 4, 0, 5, 1, 2]
    assert threshold == pytest.approx(.3)


@pytest.mark.parametrize(('args', 'threshold', 'error', 'text'), [
    (([0, 0], [0], [0, 0]), None, ValueError, 'tight must have 2 entries, one a point, got 1'),
    (([0, 0], [0, 0], [0]), None, ValueError, 'loose must have 2 entries, one a point, got 1'),
    (([0, -2], [0, 0], [0, 0]), None, ValueError, r'normal must be -1 \(noise\) or a cluster >= 0, got -2'),
    (([0, 0], [0, .5], [0, 0]), None, TypeError, 'tight must hold integers, got float64'),
    (FIRST, 1.5, ValueError, r'^threshold must be in \[0, 1\], got 1.5; pass None to have it computed$'),
    (FIRST, -.1, ValueError, r'threshold must be in \[0, 1\], got -0.1'),
    (FIRST, np.nan, ValueError, 'threshold must be a number, got nan'),
    (FIRST, 'auto', ValueError, "threshold must be a number, got 'auto'"),
])
def test_bad_input(args, threshold, error, text):
    with pytest.raises(error, match=text):
        reliable_labels(*args, threshold=threshold)
