import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from pedsearch.clustering import infomap_labels, infomap_links

needs_infomap = pytest.mark.skipif(importlib.util.find_spec('infomap') is None, reason='needs the package infomap')


def on_circle(*degrees):
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


SIX = on_circle(0, 10, 20, 75, 100, 200)


def plain_links(feats, k, min_sim):
    feats = feats / np.linalg.norm(feats, axis=1, keepdims=True)
    links = []
    for i, row in enumerate(feats @ feats.T):
        for j in sorted(range(len(row)), key=lambda j: (j != i, -row[j], j))[:k]:
            if row[j] < min_sim - 1e-6:
                break
            if j != i:
                links.append((i, j, row[j]))
    return links


def test_six_directions():  # reid.md T22
    sources, targets, weights = infomap_links(SIX, 3, .5)
    assert list(zip(sources.tolist(), targets.tolist())) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 1), (2, 0), (3, 4), (3, 2),
                                                             (4, 3)]
    assert weights.tolist() == pytest.approx(
        [.984808, .939693, .984808, .984808, .984808, .939693, .906308, .573576, .906308], abs=1e-6)


@pytest.mark.parametrize('seed', range(10))
def test_random_features(seed):
    feats = np.random.default_rng(seed).standard_normal((40, 4))
    for k, min_sim in ((1, .5), (5, .5), (15, .8), (60, .2), (3, 1)):
        links = list(zip(*(column.tolist() for column in infomap_links(feats, k, min_sim))))
        expected = plain_links(feats, k, min_sim)
        assert [link[:2] for link in links] == [link[:2] for link in expected]
        np.testing.assert_allclose([link[2] for link in links], [link[2] for link in expected], atol=1e-9)


def test_twins_are_linked_and_never_to_themselves():
    sources, targets, weights = infomap_links(np.ones((4, 3)), 3, 1)
    assert list(zip(sources.tolist(), targets.tolist())) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1)]
    assert (weights == 1).all()


def test_a_similarity_that_equals_the_least_one_counts():
    for dtype in (torch.float16, torch.float32, torch.float64):
        feats = torch.tensor([[1, 1, 0], [1, 0, 1]], dtype=dtype)
        assert len(infomap_links(feats, 2, .5)[0]) == 2
    for degrees in range(60):  # single precision puts some of the pairs below
        assert len(infomap_links(on_circle(degrees, degrees + 60).astype(np.float32), 2, .5)[0]) == 2


def test_no_links():
    for feats in (np.zeros((0, 4)), np.ones((1, 4)), np.eye(3)):
        sources, targets, weights = infomap_links(feats, 3, .5)
        assert sources.shape == targets.shape == weights.shape == (0,)


class FakeInfomap:
    """Finds the connected groups, as an older release without a result or as a newer one with it."""

    def __init__(self, args, returns_result):
        self.args, self.returns_result, self.links = args, returns_result, []

    def add_links(self, links):
        self.links += links

    def run(self):
        group = {point: point for link in self.links for point in link[:2]}
        for _ in group:
            for source, target, _ in self.links:
                group[source] = group[target] = max(group[source], group[target])
        self.found = {point: group[point] + 1 for point in sorted(group, reverse=True)}
        return self if self.returns_result else None

    def modules(self):
        assert self.returns_result
        return self.found

    def get_modules(self):
        assert not self.returns_result
        return self.found


@pytest.fixture(params=[True, False], ids=['result', 'no result'])
def networks(request, monkeypatch):
    made = []

    def infomap(args):
        made.append(FakeInfomap(args, request.param))
        return made[-1]

    module = ModuleType('infomap')
    module.Infomap = infomap
    monkeypatch.setitem(sys.modules, 'infomap', module)
    return made


FAR_AND_NEAR = on_circle(200, 290, 0, 1, 291, 2, 100, 101, 3, 4)  # five at 0 to 4, two at 100, two at 290, one alone


def test_small_clusters_and_single_points_are_noise(networks):
    assert infomap_labels(FAR_AND_NEAR).tolist() == [-1, -1, 0, 0, -1, 0, -1, -1, 0, 0]
    assert infomap_labels(FAR_AND_NEAR, min_size=2).tolist() == [-1, 0, 1, 1, 0, 1, 2, 2, 1, 1]
    assert infomap_labels(FAR_AND_NEAR, min_size=6).tolist() == [-1] * 10
    labels = infomap_labels(torch.tensor(FAR_AND_NEAR), seed=7)
    assert labels.dtype == np.int64
    assert [network.args for network in networks] == ['--two-level --directed --silent --seed 123'] * 3 + [
        '--two-level --directed --silent --seed 7']
    assert networks[0].links == plain_links_of(infomap_links(FAR_AND_NEAR, 15, .5))


def plain_links_of(columns):
    return list(zip(*(column.tolist() for column in columns)))


def test_nothing_to_cluster(networks):
    assert infomap_labels(np.zeros((0, 4))).shape == (0,)
    assert infomap_labels(np.eye(4)).tolist() == [-1] * 4
    assert not networks, 'the package is not asked'


@needs_infomap
def test_the_package_itself():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((8, 32))
    feats = np.concatenate([centres.repeat(6, axis=0) + .1 * rng.standard_normal((48, 32)), -centres[:1], centres[:4] @ np.ones((32, 32))])
    labels = infomap_labels(feats)
    assert labels[:48].tolist() == np.arange(8).repeat(6).tolist()
    assert (labels[48:] == -1).all()
    assert (infomap_labels(feats) == labels).all()


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, 'infomap', None)
    with pytest.raises(ImportError, match='^infomap_labels needs the package infomap, which is under the GPL or AGPL; '
                                          'pip install infomap, or use dbscan_labels$'):
        infomap_labels(SIX)


@pytest.mark.parametrize(('kwargs', 'text'), [
    ({'k': 0}, 'k must be an int >= 1, got 0'), ({'min_sim': 0}, r'min_sim must be in \(0, 1\], got 0.0'),
    ({'min_size': 1.5}, 'min_size must be an int >= 1, got 1.5'), ({'seed': 0}, 'seed must be an int >= 1, got 0'),
    ({'feats': [[np.nan, 1]]}, 'feats must be finite'), ({'feats': [1, 2]}, r'feats must have shape \(N, D\)')])
def test_bad_input(networks, kwargs, text):
    with pytest.raises(ValueError, match=text):
        infomap_labels(**{'feats': SIX, **kwargs})
