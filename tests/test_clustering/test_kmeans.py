import importlib.util
import sys
import warnings

import numpy as np
import pytest
import torch

from pedsearch.clustering import kmeans_labels

HAS_FAISS = importlib.util.find_spec('faiss') is not None
BACKENDS = ['sklearn', pytest.param('faiss', marks=pytest.mark.skipif(not HAS_FAISS, reason='needs faiss'))]


def groups(num_groups=5, size=12, dims=16, seed=0):
    """Features around orthogonal directions at random lengths, and the group of each."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.arange(num_groups).repeat(size))
    feats = np.eye(dims)[order] + .05 * rng.standard_normal((len(order), dims))
    return feats * rng.uniform(.1, 10, (len(order), 1)), order


def numbered_by_first(labels):
    number_of = {}
    return [number_of.setdefault(label, len(number_of)) for label in labels.tolist()]


@pytest.mark.parametrize('backend', BACKENDS)
def test_finds_the_groups(backend):
    feats, order = groups()
    labels = kmeans_labels(feats, 5, num_starts=10, backend=backend)
    assert labels.dtype == np.int64
    assert labels.tolist() == numbered_by_first(order)
    for same in (torch.tensor(feats), torch.tensor(feats, dtype=torch.float16), feats.tolist(), np.asfortranarray(feats)):
        assert (kmeans_labels(same, 5, num_starts=10, backend=backend) == labels).all()


@pytest.mark.parametrize('backend', BACKENDS)
def test_each_point_is_nearest_to_its_own_centre(backend):
    feats = np.random.default_rng(0).standard_normal((200, 8))
    labels = kmeans_labels(feats, 7, num_iters=300, backend=backend)
    feats /= np.linalg.norm(feats, axis=1, keepdims=True)
    centres = np.stack([feats[labels == label].mean(axis=0) for label in range(7)])
    assert (np.linalg.norm(feats[:, None] - centres, axis=2).argmin(axis=1) == labels).all()
    assert labels.tolist() == numbered_by_first(labels)


@pytest.mark.parametrize('backend', BACKENDS)
def test_the_seed_decides(backend):
    feats = np.random.default_rng(0).standard_normal((300, 4))
    labels = kmeans_labels(feats, 20, num_iters=2, seed=3, backend=backend)
    assert (kmeans_labels(feats, 20, num_iters=2, seed=3, backend=backend) == labels).all()
    assert (kmeans_labels(feats, 20, num_iters=2, seed=4, backend=backend) != labels).any()


@pytest.mark.parametrize('backend', BACKENDS)
def test_more_work_ends_no_worse(backend):
    feats = np.random.default_rng(0).standard_normal((200, 4))
    rows = feats / np.linalg.norm(feats, axis=1, keepdims=True)

    def error(**kwargs):
        labels = kmeans_labels(feats, 20, backend=backend, **kwargs)
        return sum(rows[labels == label].var(axis=0).sum() * (labels == label).sum() for label in range(20))

    assert error(num_iters=300) < error(num_iters=3) < error(num_iters=1)
    assert error(num_starts=20) < error()


@pytest.mark.parametrize('backend', BACKENDS)
def test_extremes(backend, capfd):
    feats = np.random.default_rng(0).standard_normal((9, 4))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert kmeans_labels(feats, 1, backend=backend).tolist() == [0] * 9
        assert kmeans_labels(feats[:1], 1, backend=backend).tolist() == [0]
        assert kmeans_labels(feats, 9, backend=backend).tolist() == list(range(9))
        twins = kmeans_labels(np.ones((6, 4)), 3, backend=backend)
    assert sorted(set(twins.tolist())) == list(range(twins.max() + 1)), 'no gaps where clusters stay empty'
    assert capfd.readouterr() == ('', '')


@pytest.mark.skipif(not HAS_FAISS, reason='needs faiss')
def test_faiss_is_taken_where_it_is(monkeypatch):
    feats = np.random.default_rng(0).standard_normal((100, 4))
    with_faiss, without = (kmeans_labels(feats, 10, num_iters=2, backend=backend) for backend in ('faiss', 'sklearn'))
    assert (with_faiss != without).any()
    assert (kmeans_labels(feats, 10, num_iters=2) == with_faiss).all()
    monkeypatch.setitem(sys.modules, 'faiss', None)
    assert (kmeans_labels(feats, 10, num_iters=2) == without).all()


def test_without_faiss(monkeypatch):
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ImportError, match="^backend 'faiss' needs faiss; pip install 'pedsearch\\[faiss\\]', or use backend "
                                          "'sklearn'$"):
        kmeans_labels(np.eye(3), 2, backend='faiss')


@pytest.mark.parametrize(('kwargs', 'text'), [
    ({'num_clusters': 4}, '^num_clusters must be at most the number of points, got 4 for 3$'),
    ({'feats': np.zeros((0, 4)), 'num_clusters': 1}, 'num_clusters must be at most the number of points, got 1 for 0'),
    ({'num_clusters': 0}, 'num_clusters must be an int >= 1, got 0'), ({'seed': -1}, 'seed must be an int >= 0, got -1'),
    ({'num_iters': 0}, 'num_iters must be an int >= 1'), ({'num_starts': '1'}, 'num_starts must be an int >= 1'),
    ({'backend': 'torch'}, r"^backend must be one of \('auto', 'faiss', 'sklearn'\), got 'torch'$"),
    ({'feats': [[np.inf, 1]] * 3}, 'feats must be finite'), ({'feats': [1, 2]}, r'feats must have shape \(N, D\)'),
])
def test_bad_input(kwargs, text):
    with pytest.raises(ValueError, match=text):
        kmeans_labels(**{'feats': np.eye(3), 'num_clusters': 2, **kwargs})
