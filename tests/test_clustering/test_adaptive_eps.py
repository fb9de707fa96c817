import numpy as np
import pytest
from scipy import sparse

from pedsearch.clustering import adaptive_eps

from .test_dbscan import T23, graph_of
from .test_similarity_graph import random_graph


def plain_adaptive_eps(dense, ratio):
    distances = 1 - dense[np.triu_indices(len(dense), 1)].astype(np.float64)
    distances = np.sort(distances[distances != 0])
    return distances[:int(np.round(ratio * len(distances)))].mean()


@pytest.mark.parametrize(('ratio', 'expected'), [(.5, 1 / 3), (.34, .15), (1, 3.7 / 6)])
def test_six_distances(ratio, expected):  # gcl.md T23
    for dtype in (np.float32, np.float64):
        assert adaptive_eps(graph_of(4, T23, dtype), ratio=ratio) == pytest.approx(expected, abs=1e-7)


def test_a_ratio_that_selects_nothing():  # gcl.md T23
    with pytest.raises(ValueError, match='^ratio 0.002 selects none of the 6 distances that are not 0; pass a larger ratio, '
                                         'or a fixed eps$'):
        adaptive_eps(graph_of(4, T23), ratio=.002)
    for similarity in (np.zeros((0, 0)), np.eye(1), np.ones((3, 3))):
        assert adaptive_eps(similarity, ratio=1) == 0


@pytest.mark.parametrize('num', [5, 12, 40])
def test_equals_sorting_the_dense_triangle(num):
    for seed in range(10):
        dense = random_graph(num, density=(.1, .5, 1)[seed % 3], seed=seed)
        for ratio in (.1, .25, .5, 2 / 3, .9, 1):
            expected = plain_adaptive_eps(dense, ratio)
            assert adaptive_eps(sparse.csr_matrix(dense), ratio=ratio) == pytest.approx(expected, abs=1e-12)


def test_zeros_are_dropped_and_absent_pairs_count():
    similarity = graph_of(4, {(0, 1): 0, (2, 3): .5})  # distances .5, 1, 1, 1, 1
    assert adaptive_eps(similarity, ratio=.2) == .5
    assert adaptive_eps(similarity, ratio=.4) == .75
    assert adaptive_eps(similarity, ratio=1) == .9


def test_halves_are_rounded_to_even():
    similarity = graph_of(5, {(0, 1): .25, (0, 2): .5, (0, 3): .75})
    assert adaptive_eps(similarity, ratio=.25) == .375, '2.5 of 10 are 2'
    assert adaptive_eps(similarity, ratio=.35) == .625, '3.5 of 10 are 4'


@pytest.mark.parametrize(('ratio', 'text'), [
    (0, r'ratio must be in \(0, 1\], got 0.0'), (1.5, r'ratio must be in \(0, 1\], got 1.5'),
    (np.nan, 'ratio must be a number, got nan')])
def test_bad_ratio(ratio, text):
    with pytest.raises(ValueError, match=text):
        adaptive_eps(np.eye(3), ratio=ratio)
