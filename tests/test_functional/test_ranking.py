import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from pedsearch.functional import rank_metrics, rank_queries, ranking
from pedsearch.ops import reference_kernels

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'))]


def plain_rank(dist, query_pids, gallery_pids, query_camids, gallery_camids, ap='step'):
    """Per query: AP, INP, first rank and order of the gallery, by a stable sort of all of it."""
    found = []
    for row, (pid, camid) in enumerate(zip(query_pids, query_camids)):
        order = np.argsort(dist[row], kind='stable')
        order = order[gallery_pids[order] != -1]
        order = order[(gallery_pids[order] != pid) | (gallery_camids[order] != camid)]
        right = gallery_pids[order] == pid
        if not right.any() or pid == -1:
            found.append((np.nan, np.nan, 0, order))
            continue
        hits = right.cumsum()
        precision = hits / np.arange(1, len(order) + 1)
        if ap == 'trapezoid':
            precision = (precision + np.concatenate([[1], precision[:-1]])) / 2
        ranks = np.flatnonzero(right) + 1
        found.append((precision[right].mean(), len(ranks) / ranks[-1], ranks[0], order))
    return found


def random_ids(num_queries, num_gallery, rng, num_pids=6):
    ids = [rng.integers(-1, num_pids, num) for num in (num_queries, num_gallery)]
    return *ids, *(rng.integers(0, 3, num) for num in (num_queries, num_gallery))


def check_against_plain(found, expected):
    aps, inps, first_ranks, _ = zip(*expected)
    np.testing.assert_allclose(found.ap, aps, rtol=1e-12)
    np.testing.assert_allclose(found.inp, inps, rtol=1e-12)
    assert found.first_rank.tolist() == list(first_ranks)
    assert found.valid.tolist() == [rank > 0 for rank in first_ranks]


# ---- worked numbers ------------------------------------------------------------------------------------------------

def test_worked_ranking():  # reid.md T17
    gallery_pids, gallery_camids = [1, 1, 2, 1, 0, 2, 3], [0, 1, 1, 2, 2, 2, 0]
    dist = [[.10, .40, .20, .60, .30, .50, .70], [.50, .45, .10, .20, .35, .60, .40], [.1] * 7]
    ranks = rank_queries(None, None, [1, 2, 3], gallery_pids, [0, 1, 0], gallery_camids, dist=dist)
    np.testing.assert_allclose(ranks.ap, [.366667, .166667, np.nan], atol=1e-6)
    np.testing.assert_allclose(ranks.inp, [.4, .166667, np.nan], atol=1e-6)
    assert ranks.first_rank.tolist() == [3, 6, 0]
    assert ranks.valid.tolist() == [True, True, False]
    metrics = rank_metrics(None, None, [1, 2, 3], gallery_pids, [0, 1, 0], gallery_camids, dist=dist, topk=range(1, 7))
    assert metrics == pytest.approx(
        dict(mAP=.266667, mINP=.283333, rank1=0, rank2=0, rank3=.5, rank4=.5, rank5=.5, rank6=1), abs=1e-6)
    assert list(metrics) == ['mAP', 'mINP', *(f'rank{k}' for k in range(1, 7))]
    assert {type(value) for value in metrics.values()} == {float}


@pytest.mark.parametrize(('places', 'ap', 'inp'), [  # reid.md T17
    ((1, 2, 10), .766667, .3), ((1, 5, 10), .566667, .3), ((2, 3), .583333, .666667), ((1, 2, 3), 1, 1)])
def test_worked_lists_of_ranks(places, ap, inp):
    pids = np.zeros(12, int)
    pids[np.array(places) - 1] = 1
    metrics = rank_metrics(None, None, [1], pids, dist=np.arange(12.)[None])
    assert (metrics['mAP'], metrics['mINP']) == pytest.approx((ap, inp), abs=1e-6)


@pytest.mark.parametrize(('kind', 'expected'), [('trapezoid', .677778), ('step', .722222)])  # gcl.md T22
def test_both_average_precisions(kind, expected):
    metrics = rank_metrics(None, None, [1], [1, 0, 1, 0, 0, 1], dist=[[1, 2, 3, 4, 5, 6]], ap=kind)
    assert metrics['mAP'] == pytest.approx(expected, abs=1e-6)


def test_worked_cameras():  # gcl.md T24
    ids = [1, 2], [1, 2, 1, 0, 1, 2], [0, 1], [0, 0, 1, 2, 2, 1]
    dist = [[.1, .2, .3, .4, .5, .6], [.3, .1, .2, .6, .5, .4]]
    assert rank_queries(None, None, *ids, dist=dist).ap.tolist() == [.5, 1]
    assert rank_metrics(None, None, *ids, dist=dist, topk=(1, 2)) == pytest.approx(
        dict(mAP=.75, mINP=.75, rank1=.5, rank2=1))


def test_equals_sklearn_without_ties():
    rng = np.random.default_rng(0)
    dist, query_pids, gallery_pids = rng.random((10, 60)), np.arange(10) % 4, rng.integers(0, 4, 60)
    expected = [average_precision_score(gallery_pids == pid, -row) for pid, row in zip(query_pids, dist)]
    np.testing.assert_allclose(rank_queries(None, None, query_pids, gallery_pids, dist=dist).ap, expected, rtol=1e-12)


# ---- the plain loop ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize('ap', ['step', 'trapezoid'])
def test_distances_with_ties_equal_the_plain_loop(ap, dtype, device):  # reid.md T23
    rng = np.random.default_rng(1)
    ids = random_ids(30, 80, rng)
    dist = rng.integers(0, 12, (30, 80)).astype(dtype)
    expected = plain_rank(dist, *ids, ap=ap)
    found = rank_queries(None, None, *ids, dist=torch.from_numpy(dist).to(device), ap=ap, num_best=5)
    check_against_plain(found, expected)
    assert found.best.tolist() == [order[:5].tolist() for *_, order in expected]
    assert found.best_dist.tolist() == [dist[row, order[:5]].tolist() for row, (*_, order) in enumerate(expected)]
    with reference_kernels():
        check_against_plain(rank_queries(None, None, *ids, dist=dist, ap=ap), expected)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32, torch.float64])
def test_features_equal_the_plain_loop(dtype, device):
    """With repeated rows; no two others are so close that rounding could swap them."""
    rng = np.random.default_rng(2)
    query = torch.from_numpy(rng.standard_normal((20, 8))).to(dtype)
    gallery = torch.from_numpy(rng.standard_normal((60, 8))).to(dtype)[rng.integers(0, 60, 90)]
    ids = random_ids(20, 90, rng)
    units = [torch.nn.functional.normalize(feats.double()).numpy() for feats in (query, gallery)]
    dist = np.linalg.norm(units[0][:, None] - units[1], axis=2)
    gaps = np.diff(np.sort(dist, axis=1), axis=1)
    assert gaps[gaps > 1e-12].min() > 2e-6
    expected = plain_rank(dist.round(9), *ids)
    found = rank_queries(query.to(device), gallery.to(device), *ids, num_best=3)
    check_against_plain(found, expected)
    assert found.best.tolist() == [order[:3].tolist() for *_, order in expected]
    np.testing.assert_allclose(found.best_dist, [dist[row, order[:3]] for row, (*_, order) in enumerate(expected)],
                               atol=1e-6)


def test_double_precision_tells_closer_features_apart():
    query, gallery = np.array([[1., 0.]]), np.array([[1., 2e-6], [1., 1e-6]])
    assert rank_metrics(query, gallery, [1], [0, 1])['rank1'] == 1
    assert rank_metrics(query, gallery.astype(np.float32), [1], [0, 1])['rank1'] == 0  # a tie, by index


def test_fewer_items_than_best_asked_for():
    ranks = rank_queries(None, None, [1, 2], [1, -1, 1, 2], [0, 0], [0, 0, 1, 1], dist=np.eye(2, 4), num_best=4)
    assert ranks.best.tolist() == [[2, 3, -1, -1], [0, 2, 3, -1]]
    np.testing.assert_array_equal(ranks.best_dist, [[0, 0, np.nan, np.nan], [0, 0, 0, np.nan]])


# ---- what must not matter ------------------------------------------------------------------------------------------

@pytest.mark.parametrize('num_bytes', [1, 4 * 80, 4 * 80 * 7])
def test_block_size(monkeypatch, num_bytes):
    rng = np.random.default_rng(3)
    query, gallery = rng.choice([-.5, .5], (30, 4)), rng.choice([-.5, .5], (80, 4))  # unit vectors, exact products
    dist, ids = rng.integers(0, 5, (30, 80)).astype(np.float32), random_ids(30, 80, rng)
    expected = [rank_queries(query, gallery, *ids, num_best=2), rank_queries(None, None, *ids, dist=dist, num_best=2)]
    monkeypatch.setattr(ranking, '_BLOCK_BYTES', num_bytes)
    found = [rank_queries(query, gallery, *ids, num_best=2), rank_queries(None, None, *ids, dist=dist, num_best=2)]
    for name in ('valid', 'ap', 'inp', 'first_rank', 'best', 'best_dist'):
        for one, other in zip(found, expected):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_order_of_queries_and_scale_of_distances():
    rng = np.random.default_rng(4)
    dist, ids = rng.integers(0, 5, (30, 80)).astype(np.float32), random_ids(30, 80, rng)
    expected, order = rank_queries(None, None, *ids, dist=dist), rng.permutation(30)
    shuffled = rank_queries(None, None, ids[0][order], ids[1], ids[2][order], ids[3], dist=dist[order])
    np.testing.assert_array_equal(shuffled.ap, expected.ap[order])
    np.testing.assert_array_equal(shuffled.inp, expected.inp[order])
    for factor in (3.7, 1e-20, 1e20):
        np.testing.assert_array_equal(rank_queries(None, None, *ids, dist=dist * factor).ap, expected.ap)


def test_items_without_identity_leave_the_gallery():
    rng = np.random.default_rng(5)
    query, gallery, ids = rng.standard_normal((9, 4)), rng.standard_normal((40, 4)), random_ids(9, 40, rng)
    kept = ids[1] != -1
    assert 0 < kept.sum() < 40
    assert rank_metrics(query, gallery, *ids) == rank_metrics(query, gallery[kept], ids[0], ids[1][kept], ids[2],
                                                              ids[3][kept])


def test_length_and_kind_of_features():
    rng = np.random.default_rng(6)
    query, gallery = rng.standard_normal((9, 4)).astype(np.float32), rng.standard_normal((40, 4)).astype(np.float32)
    ids = random_ids(9, 40, rng)
    expected = rank_metrics(query, gallery, *ids)
    lengths = 2. ** rng.integers(-60, 60, (40, 1)).astype(np.float32)  # squares leave the range of float32
    assert rank_metrics(query, gallery * lengths, *ids) == expected
    assert rank_metrics(query.tolist(), torch.from_numpy(gallery).double(), *(list(part) for part in ids)) == expected
    strided = torch.from_numpy(np.repeat(gallery, 2, axis=1))[:, ::2].requires_grad_()
    assert rank_metrics(torch.from_numpy(query.T.copy()).T, strided, *map(torch.from_numpy, ids)) == expected
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert rank_metrics(query, gallery, *ids) == expected


def test_equal_features_tie_wherever_they_stand():
    """Also when told apart only by the sign of a zero."""
    rng = np.random.default_rng(7)
    gallery = rng.standard_normal((1003, 64)).astype(np.float32)
    gallery[:, 0] = 0
    twins = np.sort(rng.permutation(1003)[:500])
    gallery[twins] = gallery[twins[0]]
    gallery[twins[::2], 0] = -0.
    ranks = rank_queries(gallery[twins[:1]], gallery, [1], np.isin(np.arange(1003), twins).astype(int), num_best=500)
    assert ranks.best[0].tolist() == twins.tolist()
    assert ranks.ap[0] == 1


def test_features_of_zeros_are_as_far_from_everything():
    ranks = rank_queries(np.zeros((1, 3)), np.eye(3), [1], [0, 1, 1], num_best=3)
    assert ranks.best.tolist() == [[0, 1, 2]]
    assert ranks.ap[0] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert rank_queries(np.eye(1, 3), np.zeros((2, 3)), [1], [0, 1]).first_rank.tolist() == [2]


def test_infinite_distances_come_last_by_index():
    dist = [[np.inf, 1, np.inf, -np.inf]]
    assert rank_queries(None, None, [1], [0, 0, 1, 0], dist=dist, num_best=4).best.tolist() == [[3, 1, 0, 2]]


def test_one_query_one_item():
    assert rank_metrics([[1.]], [[-1.]], [3], [3]) == dict(mAP=1, mINP=1, rank1=1, rank5=1, rank10=1)


def test_distances_that_cannot_be_written_to():
    dist = np.broadcast_to(np.float32([[.2, .1]]), (3, 2))
    assert rank_metrics(None, None, [1, 1, 1], [1, 0], dist=dist)['mAP'] == .5


# ---- bad input -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('changes', 'error', 'text'), [
    ({'ap': 'mean'}, ValueError, r"ap must be one of \('step', 'trapezoid'\), got 'mean'"),
    ({'topk': [0]}, ValueError, 'topk must be a sequence of ints >= 1'),
    ({'query_pids': [7]}, ValueError, r'query_feats must have one row for each of the 1 query_pids, got 2'),
    ({'gallery_pids': [1]}, ValueError, r'gallery_feats must have one row for each of the 1 gallery_pids, got 3'),
    ({'query_pids': [8, 9]}, ValueError, 'at least one query must have a true match .* share no identity'),
    ({'query_pids': []}, ValueError, 'query_pids must hold at least one identity, got none'),
    ({'query_camids': [1, 1]}, ValueError, 'cameras must be given for queries and gallery or for neither'),
    ({'query_feats': None}, TypeError, 'query_feats must be an array of numbers, got NoneType'),
    ({'query_feats': [[1, 2], [np.nan, 1]]}, ValueError, 'query_feats must be finite, got NaN or infinity in 1 of 2'),
    ({'gallery_feats': np.full((3, 2), np.inf)}, ValueError, 'gallery_feats must be finite'),
    ({'gallery_feats': np.ones((3, 4))}, ValueError, 'must have one number of columns, got 2 and 4'),
    ({'query_feats': np.ones(2)}, ValueError, r'query_feats must have shape \(N, D\), got \(2,\)'),
    ({'dist': np.ones((3, 2))}, ValueError, r'dist must have shape \(2, 3\), one row per query .* got \(3, 2\)'),
    ({'dist': torch.ones(2)}, ValueError, r'dist must have shape \(2, 3\), .* got \(2,\)'),
    ({'dist': [[1, 2, 3], [1, np.nan, 3]]}, ValueError, 'dist must not hold NaN, got it in row 1'),
    ({'dist': 'cosine'}, TypeError, 'dist must be an array of numbers, got str'),
])
def test_bad_input(changes, error, text):
    args = dict(query_feats=np.eye(2), gallery_feats=np.ones((3, 2)), query_pids=[1, 7], gallery_pids=[1, 7, 3])
    if 'gallery_pids' in changes:
        args['query_pids'] = [1, 1]
    if changes.get('query_pids') == [7]:
        args['gallery_pids'] = [7, 7, 7]
    with pytest.raises(error, match=text):
        rank_metrics(**{**args, **changes})


def test_bad_number_of_best():
    for value in (-1, 1.5, True):
        with pytest.raises(ValueError, match=f'num_best must be an int >= 0, got {value}'):
            rank_queries(np.eye(2), np.eye(2), [1, 2], [1, 2], num_best=value)
