import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from pedsearch.clustering import (
    DBSCANCluster,
    InfoMapCluster,
    KMeansCluster,
    ReliableDBSCANCluster,
    adaptive_eps,
    clusterers,
    dbscan_labels,
    infomap_labels,
    jaccard_similarity,
    kmeans_labels,
    reliable_labels,
)
from pedsearch.clustering.labels import number_by_first_member
from pedsearch.registry import TASK_UTILS

from ..plain_reciprocal import jaccard
from .test_dbscan import reference as plain_dbscan
from .test_infomap import FakeInfomap, on_circle
from .test_kmeans import groups
from .test_reliability import plain_reliable
from .test_scene_constraint import plain_split


def overlapping_groups():
    """So close to one another that the settings matter."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((12, 8)).repeat(7, axis=0) + .6 * rng.standard_normal((84, 8))


@pytest.mark.parametrize('settings', [
    {}, {'eps': .45, 'min_samples': 2}, {'eps': .3, 'k1': 8, 'k2': 2}, {'eps': 0}, {'eps': .999},
    {'eps': np.float32(.5), 'k1': np.int64(10)}])
def test_dbscan_of_the_jaccard_graph(settings):
    feats = overlapping_groups()
    full = {'eps': .6, 'min_samples': 4, 'k1': 30, 'k2': 6, **settings}
    expected = dbscan_labels(jaccard_similarity(feats, k1=full['k1'], k2=full['k2']), eps=full['eps'],
                             min_samples=full['min_samples'])
    clusterer = TASK_UTILS.build({'type': 'DBSCANCluster', **settings})
    for same in (feats, torch.tensor(feats), feats.tolist()):
        labels = clusterer(same)
        assert labels.dtype == np.int64
        assert (labels == expected).all()


@pytest.mark.parametrize('ratio', [.01, .05, .2])
def test_dbscan_with_an_adaptive_radius(ratio):
    feats = overlapping_groups()
    similarity = jaccard_similarity(feats)
    expected = dbscan_labels(similarity, eps=adaptive_eps(similarity, ratio=ratio), min_samples=4)
    labels = TASK_UTILS.build({'type': 'DBSCANCluster', 'eps': 'adaptive', 'eps_ratio': ratio})(feats)
    assert (labels == expected).all()


@pytest.mark.parametrize(('degrees', 'settings', 'expected'), [
    ((0, 10, 25, 90, 100, 180), {'eps': .5, 'min_samples': 2, 'k2': 2}, [0, 0, 0, 1, 1, -1]),  # dicl.md O-5 and O-6
    ((0, 10, 25, 90, 100, 180), {'eps': .7, 'min_samples': 2, 'k2': 2}, [0, 0, 0, 1, 1, 1]),
    ((0, 10, 25, 90, 100, 180), {'eps': .7, 'min_samples': 4, 'k2': 2}, [-1] * 6),
    ((0, 9, 20, 90, 100, 112), {'eps': .6, 'min_samples': 2, 'k2': 1}, [0, 0, 0, 1, 1, 1]),  # gcl.md T21
])
def test_six_directions(degrees, settings, expected):
    assert DBSCANCluster(k1=3, **settings)(on_circle(*degrees)).tolist() == expected


def test_clear_groups_are_found():
    feats, order = groups(num_groups=5, size=12)
    for clusterer in (DBSCANCluster(k1=12), DBSCANCluster('adaptive', k1=12, eps_ratio=.25),
                      KMeansCluster(5, num_starts=10, backend='sklearn')):
        labels = clusterer(feats)
        assert len(set(zip(labels.tolist(), order.tolist()))) == 5
        assert set(labels.tolist()) == set(range(5))


@pytest.mark.parametrize('num', [0, 1, 3])
def test_few_points(num):
    """Fewer than ``min_samples``: all are outliers."""
    assert DBSCANCluster()(np.ones((num, 4))).tolist() == [-1] * num


def test_infomap(monkeypatch):
    module = ModuleType('infomap')
    module.Infomap = lambda args: FakeInfomap(args, returns_result=True)
    monkeypatch.setitem(sys.modules, 'infomap', module)
    feats = overlapping_groups()
    for settings in ({}, {'k': 4, 'min_sim': .8}, {'min_size': 2, 'min_sim': .9, 'seed': 3}):
        labels = TASK_UTILS.build({'type': 'InfoMapCluster', **settings})(feats)
        assert (labels == infomap_labels(feats, **settings)).all()
    assert (labels >= 0).any()


def test_every_setting_of_infomap_arrives(monkeypatch):
    monkeypatch.setattr(clusterers, 'infomap_labels', lambda feats, **settings: settings)
    assert InfoMapCluster(3, .25, 7, 9)(None) == {'k': 3, 'min_sim': .25, 'min_size': 7, 'seed': 9}


def test_kmeans():
    feats = overlapping_groups()
    settings = {'seed': 5, 'num_iters': 2, 'num_starts': 2, 'backend': 'sklearn'}
    labels = TASK_UTILS.build({'type': 'KMeansCluster', 'num_clusters': 12, **settings})(feats)
    assert (labels == kmeans_labels(feats, 12, **settings)).all()


@pytest.mark.parametrize(('settings', 'text'), [
    ({'type': 'DBSCANCluster', 'eps': 1.2}, r'eps must be in \[0, 1\), got 1.2'),
    ({'type': 'DBSCANCluster', 'eps': [.5, .6]}, r'^eps must be one number, got \[0.5, 0.6\]; dbscan_labels takes several$'),
    ({'type': 'DBSCANCluster', 'eps': 'auto'}, "eps must be a number or a sequence of numbers, got 'auto'"),
    ({'type': 'DBSCANCluster', 'eps': 'adaptive'}, "^eps='adaptive' and eps_ratio go together, got eps='adaptive', eps_ratio=None$"),
    ({'type': 'DBSCANCluster', 'eps_ratio': .1}, "eps='adaptive' and eps_ratio go together, got eps=0.6, eps_ratio=0.1"),
    ({'type': 'DBSCANCluster', 'eps': 'adaptive', 'eps_ratio': 2}, r'eps_ratio must be in \(0, 1\], got 2.0'),
    ({'type': 'DBSCANCluster', 'min_samples': 0}, 'min_samples must be an int >= 1, got 0'),
    ({'type': 'DBSCANCluster', 'k1': 2.}, 'k1 must be an int >= 1, got 2.0'),
    ({'type': 'DBSCANCluster', 'k2': True}, 'k2 must be an int >= 1, got True'),
    ({'type': 'InfoMapCluster', 'k': 0}, 'k must be an int >= 1, got 0'),
    ({'type': 'InfoMapCluster', 'min_sim': 1.5}, r'min_sim must be in \(0, 1\], got 1.5'),
    ({'type': 'InfoMapCluster', 'min_size': 0}, 'min_size must be an int >= 1, got 0'),
    ({'type': 'InfoMapCluster', 'seed': 'x'}, "seed must be an int >= 1, got 'x'"),
    ({'type': 'KMeansCluster', 'num_clusters': 0}, 'num_clusters must be an int >= 1, got 0'),
    ({'type': 'KMeansCluster', 'num_clusters': 3, 'seed': -1}, 'seed must be an int >= 0, got -1'),
    ({'type': 'KMeansCluster', 'num_clusters': 3, 'num_iters': 0}, 'num_iters must be an int >= 1, got 0'),
    ({'type': 'KMeansCluster', 'num_clusters': 3, 'num_starts': 0}, 'num_starts must be an int >= 1, got 0'),
    ({'type': 'KMeansCluster', 'num_clusters': 3, 'backend': 'gpu'}, "backend must be one of .*, got 'gpu'"),
])
def test_settings_are_checked_at_once(settings, text):
    with pytest.raises(ValueError, match=text):
        TASK_UTILS.build(settings)


@pytest.mark.parametrize(('feats', 'expected'), [
    (np.zeros((0, 4)), []), (np.ones((5, 4)), [0] * 5), (np.eye(4), [-1] * 4)], ids=['none', 'collapsed', 'all at 1'])
def test_an_adaptive_radius_where_distances_say_nothing(feats, expected):
    assert DBSCANCluster('adaptive', min_samples=2, k1=1 if len(feats) == 4 else 5, k2=1, eps_ratio=1.)(feats).tolist() == expected


def test_reliable_clusters_are_their_three_steps():
    feats = overlapping_groups()
    clusterer = TASK_UTILS.build(dict(type='ReliableDBSCANCluster', eps=.5, gap=.1, min_samples=3, k1=12, k2=3))
    graph = jaccard_similarity(feats, k1=12, k2=3)
    tight, normal, loose = dbscan_labels(graph, eps=(.4, .5, .6), min_samples=3)
    expected, threshold = reliable_labels(normal, tight, loose)
    assert 0 < threshold < 1
    labels = clusterer(feats)
    assert clusterer.threshold == threshold
    assert labels.tolist() == number_by_first_member(expected).tolist()
    assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))


def test_the_threshold_of_the_first_clustering_stays_and_is_stored():
    clusterer = ReliableDBSCANCluster(eps=.5, gap=.1, min_samples=3, k1=12, k2=3)
    feats, others = overlapping_groups(), np.random.default_rng(1).standard_normal((60, 8))
    clusterer(feats)
    first = clusterer.threshold
    graph = jaccard_similarity(others, k1=12, k2=3)
    tight, normal, loose = dbscan_labels(graph, eps=(.4, .5, .6), min_samples=3)
    expected, _ = reliable_labels(normal, tight, loose, threshold=first)
    restored = ReliableDBSCANCluster(eps=.5, gap=.1, min_samples=3, k1=12, k2=3)
    restored.load_state_dict(clusterer.state_dict())
    assert clusterer(others).tolist() == restored(others).tolist() == number_by_first_member(expected).tolist()
    assert clusterer.threshold == restored.threshold == first


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(gap=0), 'gap must be positive, got 0'),
    (dict(eps=.99, gap=.02), r'eps must be in \[0, 1\)'),
    (dict(eps=.01, gap=.02), r'eps must be in \[0, 1\)'),
    (dict(min_samples=0), 'min_samples'),
])
def test_bad_settings_of_reliable_clusters(settings, message):
    with pytest.raises(ValueError, match=message):
        ReliableDBSCANCluster(**settings)


def plain_reliable_clusters(feats, scene_ids, threshold, radii, min_samples, k1, k2):
    """All steps by loops, sets and dense matrices; returns labels in the order of first members, and the threshold."""
    dense = 1 - jaccard(feats, k1, k2)
    labelings = []
    for eps in radii:
        labels = plain_dbscan(dense, eps, min_samples)
        singles = iter(range(max(labels, default=-1) + 1, 2 * len(labels) + 1))
        labels = [label if label >= 0 else next(singles) for label in labels]
        labelings.append(labels if scene_ids is None else plain_split(labels, feats, scene_ids))
    tight, normal, loose = labelings
    labels, threshold = plain_reliable(normal, tight, loose, threshold)
    numbers = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels], threshold


@pytest.mark.parametrize('seed', range(4))
@pytest.mark.parametrize('min_samples', [2, 4])
def test_reliable_clusters_of_scenes_by_plain_code(seed, min_samples):
    """Two clusterings of one run; the second keeps the threshold of the first."""
    rng = np.random.default_rng(seed)
    scene_ids = rng.integers(0, 20, 84)
    clusterer = ReliableDBSCANCluster(eps=.5, gap=.1, min_samples=min_samples, k1=12, k2=3)
    settings, threshold = dict(radii=(.4, .5, .6), min_samples=min_samples, k1=12, k2=3), None
    for drift in (0, .3):
        feats = overlapping_groups() + drift * rng.standard_normal((84, 8))
        expected, threshold = plain_reliable_clusters(feats, scene_ids.tolist(), threshold, **settings)
        labels = clusterer(torch.from_numpy(feats), scene_ids)
        assert labels.dtype == np.int64
        assert labels.tolist() == expected
        assert clusterer.threshold == pytest.approx(threshold)
        pairs = list(zip(labels.tolist(), scene_ids.tolist()))
        assert len(pairs) == len(set(pairs)), 'no image has two boxes of one label'
        assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))
        assert labels.max() + 1 < 84, 'some boxes are together'
    free, _ = plain_reliable_clusters(feats, None, threshold, **settings)
    assert clusterer(feats).tolist() == free != expected, 'without scenes nothing is split'
    alone = ReliableDBSCANCluster(eps=.5, gap=.1, min_samples=min_samples, k1=12, k2=3, split_scenes=False)
    alone.load_state_dict(clusterer.state_dict())
    assert alone(feats, scene_ids).tolist() == free


@pytest.mark.parametrize('settings', [
    {'type': 'DBSCANCluster', 'eps': .5, 'k1': 12, 'k2': 3},
    {'type': 'DBSCANCluster', 'eps': 'adaptive', 'eps_ratio': .05},
    {'type': 'KMeansCluster', 'num_clusters': 12, 'backend': 'sklearn'},
    {'type': 'InfoMapCluster', 'k': 4, 'min_sim': .8, 'min_size': 2},
])
def test_every_clusterer_takes_scenes(settings, monkeypatch):
    module = ModuleType('infomap')
    module.Infomap = lambda args: FakeInfomap(args, returns_result=True)
    monkeypatch.setitem(sys.modules, 'infomap', module)
    feats, clusterer = overlapping_groups(), TASK_UTILS.build(settings)
    scene_ids = np.random.default_rng(1).integers(0, 20, len(feats))
    labels = clusterer(feats)
    split = clusterer(feats, scene_ids)
    assert split.tolist() == plain_split(labels.tolist(), feats, scene_ids.tolist()) != labels.tolist()
    assert clusterer(feats, scene_ids=torch.arange(len(feats))).tolist() == labels.tolist(), 'one box an image'


def test_six_boxes_of_three_scenes():  # dicl.md O-5, O-6 and O-7 in a row
    feats = on_circle(0, 10, 25, 90, 100, 180)
    clusterer = DBSCANCluster(eps=.5, min_samples=2, k1=3, k2=2)
    assert clusterer(feats).tolist() == [0, 0, 0, 1, 1, -1]
    # of 0, 10 and 25 degrees, 10 is next to the centre; of two boxes that are the whole cluster the first stays
    assert clusterer(feats, ['a', 'a', 'b', 'b', 'b', 'b']).tolist() == [2, 0, 0, 1, 3, -1]


def test_boxes_without_features_are_clustered_too():
    """A slot that nothing was written to is a zero row."""
    feats = overlapping_groups()
    feats[[3, 50]] = 0
    labels = ReliableDBSCANCluster(k1=12, k2=3)(feats, np.arange(84) // 3)
    assert labels.shape == (84, )
    assert sorted(set(labels.tolist())) == list(range(labels.max() + 1))


def test_scenes_of_another_number():
    with pytest.raises(ValueError, match=r'image_ids must have shape \(84,\), one id a label, got \(80,\)'):
        ReliableDBSCANCluster(k1=12, k2=3)(overlapping_groups(), np.zeros(80, int))
