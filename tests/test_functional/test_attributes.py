"""Oracles: values counted by hand, loops over images and attributes, invariances."""

import numpy as np
import pytest

from pedsearch.functional import attribute_accuracy

TARGETS = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]])
PROBS = np.array([[.9, .2, .4], [.6, .7, .1], [.3, .6, .8], [.2, .4, .55]])


def percent(found) -> list[float]:
    return [round(100 * value, 4) for value in found.metrics().values()]


def test_values():  # O18
    found = attribute_accuracy(PROBS, TARGETS)
    np.testing.assert_allclose(found.label_accuracy, [1, .5, .5])
    assert percent(found) == [66.6667, 50, 62.5, 62.5, 62.5]


def test_an_attribute_without_positives():  # O19
    found = attribute_accuracy([[.9, .1], [.2, .8]], [[1, 0], [0, 0]])
    np.testing.assert_allclose(found.label_accuracy, [1, .25])
    assert percent(found) == [62.5, 50, 50, 50, 50]


def test_nothing_told():  # O19
    assert percent(attribute_accuracy(np.full((4, 3), .5), TARGETS)) == [50, 0, 0, 0, 0]


def test_rare_attribute():  # O20
    targets = np.array([1, 1] + [0] * 8)[:, None]
    told = np.array([1, 0, 1] + [0] * 7)[:, None]
    assert attribute_accuracy(told, targets).mean_accuracy == pytest.approx(.6875)
    assert attribute_accuracy(0 * told, targets).mean_accuracy == .5


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((40, 7)), rng.integers(-1, 2, (40, 7))


def test_counts_equal_loops_with_unknown_labels():
    probs, targets = random_case(0)
    found = attribute_accuracy(probs, targets, .4)
    for column in range(7):
        rates = []
        for kind in (1, 0):
            members = [i for i in range(40) if targets[i, column] == kind]
            rates.append(np.mean([(probs[i, column] > .4) == kind for i in members]))
        assert found.label_accuracy[column] == pytest.approx(np.mean(rates))
    scores = []
    for i in range(40):
        told = {j for j in range(7) if probs[i, j] > .4 and targets[i, j] >= 0}
        true = {j for j in range(7) if targets[i, j] == 1}
        scores.append([len(told & true) / len(of) if of else 0 for of in (told | true, told, true)])
    assert (found.accuracy, found.precision, found.recall) == pytest.approx(tuple(np.mean(scores, axis=0)))


def test_order_of_attributes_and_images_does_not_matter():  # O28 d
    probs, targets = random_case(1)
    rng = np.random.default_rng(2)
    rows, columns = rng.permutation(40), rng.permutation(7)
    moved = attribute_accuracy(probs[rows][:, columns], targets[rows][:, columns])
    assert moved.metrics() == pytest.approx(attribute_accuracy(probs, targets).metrics())


@pytest.mark.parametrize(('probs', 'targets', 'message'), [
    ([[.5, .5]], [[1]], r'must have one shape \(N, A\), not empty, got \(1, 2\) and \(1, 1\)'),
    ([[.5]], [[2]], r'targets must be 1, 0 or -1 \(unknown\), got 2'),
    ([[np.nan]], [[1]], 'probs must be numbers, got NaN')])
def test_bad_input(probs, targets, message):
    with pytest.raises(ValueError, match=message):
        attribute_accuracy(probs, targets)
