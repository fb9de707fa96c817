import numpy as np
import pytest
import torch

from pedsearch.clustering import noise_to_singletons
from pedsearch.clustering.labels import check_labels, number_by_first_member, to_singletons


@pytest.mark.parametrize('labels', [
    [0, -1, 3], (0, -1, 3), np.array([0, -1, 3], np.int32), np.array([0, 9, -1, 9, 3, 9])[::2], torch.tensor([0, -1, 3]),
    torch.tensor([0, -1, 3], dtype=torch.int8)], ids=repr)
def test_labels_of_any_kind_become_int64(labels):
    array = check_labels(labels, 'labels', 3)
    assert array.dtype == np.int64
    assert array.tolist() == [0, -1, 3]


def test_no_labels():
    for empty in ([], np.zeros(0), torch.zeros(0)):
        assert check_labels(empty, 'labels', 0).dtype == np.int64


@pytest.mark.parametrize(('labels', 'error', 'text'), [
    ([[0, 1]], ValueError, r'^tight must have shape \(N,\), got \(1, 2\); pass one label a point$'),
    (3, ValueError, r'tight must have shape \(N,\), got \(\)'),
    ([0, 1], ValueError, '^tight must have 3 entries, one a point, got 2$'),
    ([0., 1., 2.], TypeError, r'^tight must hold integers, got float64; convert it with astype\(int64\)$'),
    ([np.nan, 1., 2.], TypeError, 'tight must hold integers, got float64'),
    ([True, False, True], TypeError, 'tight must hold integers, got bool'),
    ([0, -2, 1], ValueError, r'^tight must be -1 \(noise\) or a cluster >= 0, got -2$'),
    (['a', 'b', 'c'], TypeError, 'tight must be an array of numbers, got list'),
    (None, TypeError, 'tight must be an array of numbers, got NoneType'),
])
def test_what_are_no_labels(labels, error, text):
    with pytest.raises(error, match=text):
        check_labels(labels, 'tight', 3)


@pytest.mark.parametrize(('labels', 'expected'), [
    ([], []), ([-1], [0]), ([-1, -1], [0, 1]), ([0, 0], [0, 0]), ([5, -1, 0, -1], [5, 6, 0, 7])])
def test_noise_becomes_singletons(labels, expected):
    given = np.array(labels, dtype=np.int64)
    result = noise_to_singletons(given)
    assert result.dtype == np.int64
    assert result.tolist() == expected
    assert given.tolist() == labels, 'a copy'


def test_chosen_points_become_singletons():
    assert to_singletons(np.array([4, -1, 4, 2]), np.array([True, False, False, True])).tolist() == [5, -1, 4, 6]


def test_numbers_follow_the_first_member():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels = rng.choice([-1, 0, 2, 3, 8, 2**60], rng.integers(0, 12))
        number_of, expected = {-1: -1}, []
        for label in labels.tolist():
            expected.append(number_of.setdefault(label, len(number_of) - 1))
        assert number_by_first_member(labels).tolist() == expected
