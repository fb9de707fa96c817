import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.cluster import DBSCAN

from pedsearch.clustering import dbscan_labels

from .test_similarity_graph import random_graph


def graph_of(num, distances, dtype=np.float32):
    """Similarity of the pairs {(i, j): distance}; all others at distance 1."""
    similarity = np.eye(num)
    for (i, j), distance in distances.items():
        similarity[i, j] = similarity[j, i] = 1 - distance
    return sparse.csr_matrix(similarity.astype(dtype))


def reference(dense_similarity, eps, min_samples):
    distance = 1 - dense_similarity.astype(np.float64)
    np.fill_diagonal(distance, 0)
    return DBSCAN(eps=eps + 1e-6, min_samples=min_samples, metric='precomputed').fit(distance).labels_.tolist()


O5 = {(0, 1): 0, (0, 2): .063603, (1, 2): .063603, (3, 4): 0, (3, 5): .666667, (4, 5): .666667}


@pytest.mark.parametrize(('eps', 'min_samples', 'expected'), [  # dicl.md O-6
    (.5, 2, [0, 0, 0, 1, 1, -1]), (.7, 2, [0, 0, 0, 1, 1, 1]), (.5, 4, [-1] * 6), (.7, 4, [-1] * 6)])
def test_six_points(eps, min_samples, expected):
    assert dbscan_labels(graph_of(6, O5), eps=eps, min_samples=min_samples).tolist() == expected


T21 = {(0, 1): 0, (0, 2): .040312, (1, 2): .040312, (3, 4): 0, (3, 5): .048225, (4, 5): .048225}
T23 = {(0, 1): .1, (2, 3): .2, (0, 2): .7, (0, 3): .8, (1, 2): .9}


def test_groups_of_three_and_of_two():  # gcl.md T21 and T23
    assert dbscan_labels(graph_of(6, T21), eps=.6, min_samples=2).tolist() == [0, 0, 0, 1, 1, 1]
    assert dbscan_labels(graph_of(4, T23), eps=.25, min_samples=2).tolist() == [0, 0, 1, 1]
    assert dbscan_labels(graph_of(4, T23), eps=.25, min_samples=4).tolist() == [-1] * 4


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('min_samples', [1, 2, 3, 4, 8])
@pytest.mark.parametrize('num', [1, 2, 12, 40])
def test_equals_scikit_learn(num, min_samples, dtype):
    """Multiples of 1/8, so that many distances equal eps exactly."""
    radii = [.5, 0, .25, .875, .3, .5]
    for seed in range(12):
        dense = random_graph(num, density=(.05, .15, .4)[seed % 3], seed=seed).astype(dtype)
        labels = dbscan_labels(sparse.csr_matrix(dense), eps=radii, min_samples=min_samples)
        assert labels.dtype == np.int64
        assert labels.shape == (6, num)
        for eps, row in zip(radii, labels.tolist()):
            assert row == reference(dense, eps, min_samples)
            assert row == dbscan_labels(dense, eps=eps, min_samples=min_samples).tolist()


def test_a_border_point_between_two_clusters_joins_the_lower():
    """0-1-2 and 5-6-7 are tight; 3 touches both through one edge each, listed to the later cluster first."""
    distances = dict.fromkeys([(0, 1), (0, 2), (1, 2), (5, 6), (5, 7), (6, 7)], .1)
    graph = graph_of(8, {**distances, (3, 5): .1, (2, 3): .3})
    assert dbscan_labels(graph, eps=.4, min_samples=4).tolist() == [0, 0, 0, 0, -1, 1, 1, 1]
    assert reference(graph.toarray(), .4, 4) == [0, 0, 0, 0, -1, 1, 1, 1]


@pytest.mark.parametrize('eps', [.05, .1, .3, .4, .6, .68, .7, .72, .9])
def test_float32_rounding_does_not_push_a_pair_out(eps):
    graph = graph_of(2, {(0, 1): eps})
    assert dbscan_labels(graph, eps=eps, min_samples=2).tolist() == [0, 0]
    assert dbscan_labels(graph_of(2, {(0, 1): eps + 5e-7}), eps=eps, min_samples=2).tolist() == [0, 0]
    assert dbscan_labels(graph_of(2, {(0, 1): eps + 3e-6}), eps=eps, min_samples=2).tolist() == [-1, -1]


def test_the_diagonal_does_not_matter():
    dense = random_graph(30, .2)
    results = [dbscan_labels(sparse.csr_matrix(np.where(np.eye(30), diagonal, dense)), eps=.5, min_samples=3)
               for diagonal in (0, .1, 1)]
    stored_zeros = sparse.coo_matrix(np.where(np.eye(30), 2, dense)).tocsr()
    stored_zeros.data[stored_zeros.data == 2] = 0
    results.append(dbscan_labels(stored_zeros, eps=.5, min_samples=3))
    assert all((result == results[0]).all() for result in results)
    assert (results[0] >= 0).any()


@pytest.mark.parametrize('eps', [.9999, .9999999])
def test_a_stored_zero_joins_nothing(eps):
    graph = sparse.csr_matrix((np.zeros(2, np.float32), [1, 0], [0, 1, 2]), shape=(2, 2))
    assert dbscan_labels(graph, eps=eps, min_samples=2).tolist() == [-1, -1]


def test_twins():
    assert dbscan_labels(np.ones((5, 5)), eps=0, min_samples=5).tolist() == [0] * 5
    assert dbscan_labels(np.ones((5, 5)), eps=0, min_samples=6).tolist() == [-1] * 5


def test_few_or_no_points():
    for nothing in (np.zeros((0, 0)), torch.zeros(0, 0), sparse.csr_matrix((0, 0), dtype=np.float32)):
        assert dbscan_labels(nothing, eps=.5, min_samples=2).shape == (0,)
        assert dbscan_labels(nothing, eps=[.5, .6], min_samples=2).shape == (2, 0)
    for one in (np.eye(1), sparse.csr_matrix((1, 1), dtype=np.float32)):
        assert dbscan_labels(one, eps=.5, min_samples=1).tolist() == [0]
        assert dbscan_labels(one, eps=.5, min_samples=2).tolist() == [-1]
    assert dbscan_labels(sparse.csr_matrix((4, 4)), eps=.5, min_samples=1).tolist() == [0, 1, 2, 3]


def test_the_graph_is_left_as_it_is():
    graph = sparse.csr_matrix(random_graph(30))
    before = graph.copy()
    dbscan_labels(graph, eps=[.2, .5], min_samples=2)
    for attribute in ('data', 'indices', 'indptr'):
        np.testing.assert_array_equal(getattr(graph, attribute), getattr(before, attribute))


def test_relabelling_the_points_relabels_the_clusters():
    dense, order = random_graph(40, .06), np.random.default_rng(1).permutation(40)
    labels = dbscan_labels(dense, eps=.5, min_samples=2)  # without border points the order is of no account
    moved = dbscan_labels(dense[order][:, order], eps=.5, min_samples=2)
    assert len({(a, b) for a, b in zip(labels[order].tolist(), moved.tolist())}) == len(set(labels.tolist()))


@pytest.mark.parametrize(('kwargs', 'text'), [
    ({'eps': 1.0}, r'eps must be in \[0, 1\), got 1.0'),
    ({'eps': [.5, -1]}, r'eps must be in \[0, 1\), got \[0.5, -1\]'),
    ({'eps': 'wide'}, "eps must be a number or a sequence of numbers, got 'wide'"),
    ({'min_samples': 0}, 'min_samples must be an int >= 1, got 0'),
    ({'min_samples': 2.5}, 'min_samples must be an int >= 1, got 2.5'),
])
def test_bad_settings(kwargs, text):
    with pytest.raises(ValueError, match=text):
        dbscan_labels(np.eye(3), **{'eps': .5, 'min_samples': 2, **kwargs})


def test_half_a_graph():
    with pytest.raises(ValueError, match='similarity must be symmetric'):
        dbscan_labels(np.triu(np.ones((3, 3))), eps=.5, min_samples=2)
