import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from pedsearch.functional import average_precision, precision_at_hits


@pytest.mark.parametrize(('labels', 'scores', 'expected'), [  # dicl.md O-2
    ([1, 0, 1, 0, 0], [.9, .8, .7, .6, .1], 0.833333),
    ([1, 0, 1], [.5, .5, .2], 0.583333),
    ([0, 1, 1], [.5, .5, .2], 0.583333),
    ([0, 0], [.5, .2], 0.0),
    ([], [], 0.0),
])
def test_worked_numbers(labels, scores, expected):
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-6)


def test_two_of_three_targets_found():  # dicl.md O-2
    assert average_precision([1, 0, 1, 0, 0], [.9, .8, .7, .6, .1]) * 2 / 3 == pytest.approx(0.555556, abs=1e-6)


def test_equals_sklearn_with_many_ties():
    rng = np.random.default_rng(0)
    for _ in range(50):
        labels, scores = rng.random(40) < 0.3, rng.integers(0, 6, 40) / 7
        labels[0] = True
        assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_rank_of_a_hit_is_behind_the_wrong_ones_it_ties_with():
    precisions, ranks = precision_at_hits(np.array([.5, .9]), np.sort([.9, .5, .5, .5, .7]))
    assert ranks.tolist() == [4, 1]  # 0.7 and two of 0.5 are wrong
    np.testing.assert_allclose(precisions, [2 / 5, 1])


def test_bad_input():
    with pytest.raises(ValueError, match=r'one shape \(n,\), got \(2,\) and \(3,\)'):
        average_precision([1, 0], [.1, .2, .3])
    with pytest.raises(ValueError, match='scores must be numbers, got NaN'):
        average_precision([1, 0], [.1, np.nan])
