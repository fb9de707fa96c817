import numpy as np
import pytest
import torch

from pedsearch.functional import k_reciprocal_rerank, neighbours
from pedsearch.functional.reranking import RerankSettings, _OriginalDistances, rerank_points
from pedsearch.ops import reference_kernels

from ..plain_reciprocal import clustered, rerank

ON_A_LINE = torch.tensor([[0.], [1], [2.2], [3.6], [-4]], dtype=torch.float64)


@pytest.mark.parametrize(('settings', 'expected'), [
    (dict(k1=2, k2=1), [.362136, .652122, .943, 1]),
    (dict(k1=2, k2=1, lambda_value=0), [.490551, .801959, 1, 1]),
    (dict(k1=2, k2=2), [.018750, .441822, .805781, .766667]),
    (dict(k1=1, k2=1), [.053720, .790750, .943, 1]),
    (dict(k1=2, k2=1, lambda_value=1), [.0625, .3025, .81, 1]),
    (dict(k1=2, k2=1, variant='zhong_pow4'), [.350731, .587464, .896830, 1]),
    (dict(k1=2, k2=1, lambda_value=0, variant='faiss'), [.632121, 1, 1, 1]),
    (dict(k1=3, k2=1, lambda_value=0, variant='faiss'), [.668285, .905930, 1, 1]),
])
def test_published_numbers(settings, expected):
    np.testing.assert_allclose(rerank_points(ON_A_LINE, 1, RerankSettings(**settings))[0], expected, atol=1e-6)


def test_original_distance_of_the_faiss_variant_is_one_minus_cosine():
    query, gallery = [[1., 0.]], [[.6, .8], [0, 1], [-1, 0]]
    dist = k_reciprocal_rerank(query, gallery, k1=2, k2=1, lambda_value=1.0, variant='faiss')
    np.testing.assert_allclose(dist, [[.4, 1, 2]], atol=1e-6)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize('twins', [0, 20])
@pytest.mark.parametrize(('settings', 'power'), [
    (dict(k1=7, k2=3, lambda_value=0.3), 1), (dict(k1=8, k2=1, lambda_value=0.5), 1),
    (dict(k1=40, k2=60, lambda_value=0.0), 1), (dict(k1=6, k2=2, lambda_value=0.3, variant='zhong_pow4'), 2)])
def test_equals_the_dense_formula(settings, power, twins, dtype):
    feats = clustered(55, twins=twins, dtype=dtype)
    query, gallery = feats[40:], feats[:40]
    plain = {key: value for key, value in settings.items() if key != 'variant'}
    expected = rerank(query.astype(np.float64), gallery.astype(np.float64), power=power, **plain)
    dist = k_reciprocal_rerank(query, gallery, **settings)
    assert (type(dist), dist.dtype, dist.shape) == (np.ndarray, np.float32, (15, 40))
    np.testing.assert_allclose(dist, expected, atol=2e-6)
    tensors = k_reciprocal_rerank(torch.from_numpy(query), torch.from_numpy(gallery), **settings)
    np.testing.assert_array_equal(tensors, dist)
    with reference_kernels():
        np.testing.assert_allclose(k_reciprocal_rerank(query, gallery, **settings), dist, atol=1e-6)


def test_equal_gallery_items_get_equal_distances_however_a_tile_rounds():
    points = torch.tensor([[1., 0], [0, 1], [.6, .8], [0, 1], [.6, .8]], dtype=torch.float64)
    original = _OriginalDistances(points, 1)
    tile = (points[:, None] - points).square().sum(-1).float()
    original.read_tile(0, tile + 1e-6 * torch.arange(5))
    assert torch.equal(original.sq_dists(), tile[:1, [1, 2, 1, 2]] + 1e-6 * torch.tensor([1, 2, 1, 2]))


def test_equal_gallery_items_get_equal_distances():
    feats = clustered(300, dims=40, twins=60)
    dist = k_reciprocal_rerank(feats[100:150], np.concatenate([feats[:100], feats[-60:]]), k1=6, k2=3)
    np.testing.assert_array_equal(dist[:, :60], dist[:, 100:])


def test_blocks_change_nothing(monkeypatch):
    feats = clustered(90)
    whole = k_reciprocal_rerank(feats[:30], feats[30:], k1=6, k2=2)
    monkeypatch.setattr(neighbours, '_VALUES_PER_TILE', 90 * 7)
    np.testing.assert_allclose(k_reciprocal_rerank(feats[:30], feats[30:], k1=6, k2=2), whole, atol=1e-6)


def test_lengths_of_features_change_nothing():
    feats = clustered(60)
    scaled = feats * np.linspace(.1, 50, 60)[:, None]
    np.testing.assert_allclose(k_reciprocal_rerank(scaled[:20], scaled[20:], k1=6, k2=3),
                               k_reciprocal_rerank(feats[:20], feats[20:], k1=6, k2=3), atol=1e-6)


@pytest.mark.parametrize(('num_query', 'num_gallery'), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_rank(num_query, num_gallery):
    dist = k_reciprocal_rerank(np.ones((num_query, 4)), np.ones((num_gallery, 4)))
    assert dist.shape == (num_query, num_gallery)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('spread', [1e-1, 1e-2, 1e-3, 1e-4])
def test_features_that_lie_close_together(spread, native):
    rng = np.random.default_rng(1)
    feats = rng.standard_normal((1, 64)) + spread * rng.standard_normal((60, 64))
    expected = rerank(feats[:10], feats[10:], 5, 3, 0.3)
    if native:
        dist = k_reciprocal_rerank(feats[:10], feats[10:], k1=5, k2=3)
    else:
        with reference_kernels():
            dist = k_reciprocal_rerank(feats[:10], feats[10:], k1=5, k2=3)
    np.testing.assert_allclose(dist, expected, atol=2e-6)


@pytest.mark.parametrize('seed', range(5))
def test_one_point_many_times_has_no_distance_to_itself(seed):
    feats = np.repeat(np.random.default_rng(seed).standard_normal((1, 256)), 60, axis=0)
    assert (k_reciprocal_rerank(feats[:10], feats[10:], k1=5, k2=3, lambda_value=1.0) == 0).all()


@pytest.mark.parametrize('feats', [np.ones((6, 3)), np.zeros((6, 3))])
@pytest.mark.parametrize('variant', ['zhong', 'zhong_pow4', 'faiss'])
def test_points_that_coincide_have_distance_0(feats, variant):
    np.testing.assert_allclose(k_reciprocal_rerank(feats[:2], feats[2:], variant=variant), 0, atol=1e-6)


@pytest.mark.parametrize('feats', [torch.randn(8, 30).T, torch.randn(30, 8).half(), torch.randn(30, 16)[:, ::2]])
def test_any_tensor_will_do(feats):
    dist = k_reciprocal_rerank(feats[:10], feats[10:], k1=5, k2=2)
    expected = rerank(feats[:10].double().numpy(), feats[10:].double().numpy(), 5, 2, 0.3)
    np.testing.assert_allclose(dist, expected, atol=2e-6)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(k1=0), 'k1 must be an int >= 1, got 0'), (dict(k2=1.5), 'k2 must be an int >= 1, got 1.5'),
    (dict(lambda_value=1.1), r'lambda_value must be in \[0, 1\], got 1.1'),
    (dict(lambda_value='0.3'), r"lambda_value must be in \[0, 1\], got '0.3'"),
    (dict(variant='dense'), "variant must be one of .*'zhong_pow4', 'faiss'.*, got 'dense'")])
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        k_reciprocal_rerank(np.eye(3), np.eye(3), **settings)


def test_settings_may_be_numpy_numbers():
    feats = clustered(30)
    plain = k_reciprocal_rerank(feats[:10], feats[10:], k1=5, k2=2)
    assert (k_reciprocal_rerank(feats[:10], feats[10:], k1=np.int64(5), k2=np.int32(2)) == plain).all()


def test_features_that_do_not_fit():
    with pytest.raises(ValueError, match='query_feats and gallery_feats must have one number of columns, got 3 and 2'):
        k_reciprocal_rerank(np.ones((1, 3)), np.ones((1, 2)))
    with pytest.raises(ValueError, match='gallery_feats must be finite'):
        k_reciprocal_rerank(np.ones((1, 2)), [[1, np.inf]])
