import numpy as np
import pytest
import torch

from pedsearch.functional import average_query_expansion, query_expansion

from ..plain_reciprocal import clustered, neighbour_lists, unit

QUERY, GALLERY = [[1, 0]], [[.8, .6], [0, 1], [.6, .8]]


def plain_expansion(feats, k, alpha):
    points = unit(feats)
    return np.stack([
        np.mean([max(0, points[i] @ points[j])**alpha * points[j] for j in friends], axis=0)
        for i, friends in enumerate(neighbour_lists(points, k))])


@pytest.mark.parametrize(('alpha', 'expected'), [(3, [.7048, .1536]), (0, [.9, .3]), (1, [.82, .24])])
def test_published_query(alpha, expected):
    query, _ = average_query_expansion(QUERY, GALLERY, k=2, alpha=alpha)
    np.testing.assert_allclose(query, [expected], atol=1e-6)


@pytest.mark.parametrize('factor', [1, 5])
def test_published_gallery_and_distances_whatever_the_length_of_a_feature(factor):
    query, gallery = average_query_expansion(QUERY, [[.8 * factor, .6 * factor], *GALLERY[1:]], k=2)
    np.testing.assert_allclose(gallery, [[.665421, .653894], [.1536, .7048], [.653894, .665421]], atol=1e-6)
    np.testing.assert_allclose(1 - unit(query) @ unit(gallery).T, [[.153853, .583895, .163294]], atol=1e-6)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize(('k', 'alpha'), [(5, 3.0), (1, 2.0), (80, 0.5)])
def test_equals_a_loop(k, alpha, dtype, monkeypatch):
    feats = clustered(60, twins=15, noise=1.5, dtype=dtype)
    expected = plain_expansion(feats.astype(np.float64), k, alpha)
    monkeypatch.setattr(query_expansion, '_VALUES_PER_BLOCK', 7 * k * 8)
    for kind in (np.asarray, torch.from_numpy):
        query, gallery = average_query_expansion(kind(feats[:20]), kind(feats[20:]), k=k, alpha=alpha)
        assert isinstance(query, np.ndarray) == isinstance(gallery, np.ndarray) == (kind is np.asarray)
        np.testing.assert_allclose(np.concatenate([query, gallery]), expected, atol=1e-6)


def test_alone_a_feature_stays():
    query, gallery = average_query_expansion([[3., 4.]], np.zeros((0, 2)))
    np.testing.assert_allclose(query, [[.6, .8]], atol=1e-7)
    assert gallery.shape == (0, 2)
    assert [len(part) for part in average_query_expansion(np.zeros((0, 2)), np.zeros((0, 2)))] == [0, 0]


def test_a_zero_feature_stays_zero_and_does_not_turn_others():
    query, gallery = average_query_expansion([[1., 0.]], [[0., 0.]], k=2)
    np.testing.assert_allclose(query, [[.5, 0]])
    np.testing.assert_allclose(gallery, [[0, 0]])


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(k=0), 'k must be an int >= 1, got 0'), (dict(alpha=-1), 'alpha must be a number >= 0, got -1'),
    (dict(alpha=float('nan')), 'alpha must be a number >= 0, got nan')])
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        average_query_expansion(QUERY, GALLERY, **settings)


def test_features_that_do_not_fit():
    with pytest.raises(ValueError, match='must have one number of columns, got 2 and 3'):
        average_query_expansion(QUERY, np.ones((2, 3)))
    with pytest.raises(ValueError, match='query_feats must be finite'):
        average_query_expansion([[np.nan, 1]], GALLERY)
