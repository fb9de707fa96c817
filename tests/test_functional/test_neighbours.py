import sys
import warnings

import numpy as np
import pytest
import torch

from pedsearch.functional import neighbours
from pedsearch.functional.neighbours import check_feats, nearest_neighbours, paired_feats, unit_rows
from pedsearch.ops import reference_kernels

from ..plain_reciprocal import clustered, neighbour_lists, sq_dists, unit

BACKENDS = ['torch', pytest.param('faiss', marks=pytest.mark.skipif(
    not neighbours.importlib.util.find_spec('faiss'), reason='needs faiss'))]


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize(('num', 'twins', 'k'), [(60, 0, 7), (60, 20, 5), (5, 0, 9), (1, 0, 3), (40, 0, 1)])
def test_equals_a_sort_of_all_distances(num, twins, k, backend):
    feats = clustered(num, twins=twins)
    found = nearest_neighbours(unit_rows(feats), k, backend=backend)
    lists = neighbour_lists(unit(feats), k)
    assert found.indices.tolist() == lists
    expected = np.take_along_axis(sq_dists(unit(feats)), np.array(lists), axis=1)
    np.testing.assert_allclose(found.sq_dists, expected, atol=1e-12)


@pytest.mark.parametrize('backend', BACKENDS)
@pytest.mark.parametrize('feats', [np.ones((50, 3)), np.zeros((50, 3)), np.eye(40), np.tile(np.eye(3), (20, 1))],
                         ids=['equal', 'zero', 'equally distant', 'three points'])
def test_ties_go_by_index(feats, backend):
    found = nearest_neighbours(unit_rows(feats), 6, backend=backend)
    assert found.indices.tolist() == neighbour_lists(unit(feats), 6)


def test_distances_that_differ_by_rounding_only_are_equal():
    # Around the first point lie pairs at equal distances; a rotation makes rounding differ.
    rng = np.random.default_rng(0)
    offsets = rng.standard_normal((40, 11)) * np.linspace(.1, .5, 40)[:, None]
    sides = rng.permutation(np.repeat([[1.], [-1.]], 40, axis=0).reshape(2, 40), axis=0)
    points = np.zeros((81, 12))
    points[0, 0] = 1
    points[1::2, 1:], points[2::2, 1:] = offsets * sides[0][:, None], offsets * sides[1][:, None]
    points[1:, 0] = 1
    points = torch.from_numpy(points @ np.linalg.qr(rng.standard_normal((12, 12)))[0])
    dists = (points - points[0]).square().sum(dim=1)
    assert (dists[1::2] != dists[2::2]).any()
    order = [0, *sorted(range(1, 81), key=lambda j: (np.linalg.norm(offsets[(j - 1) // 2]), j))]
    assert nearest_neighbours(points, 81).indices[0].tolist() == order


def test_points_that_single_precision_cannot_tell_apart():
    angles = np.arange(200) * 1e-6  # float32 resolves their cosines to about 6e-8, their distances differ by 1e-12
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    expected = [sorted(range(200), key=lambda j, i=i: (abs(i - j), j))[:5] for i in range(200)]
    points = unit_rows(points)
    coarse = torch.cdist(points.float(), points.float()).topk(5, largest=False).indices.tolist()
    assert coarse != expected
    assert nearest_neighbours(points, 5).indices.tolist() == expected


@pytest.mark.parametrize('backend', BACKENDS)
def test_block_size_and_kernels_change_nothing(backend, monkeypatch):
    points = unit_rows(clustered(150, dims=16, twins=30))
    whole = nearest_neighbours(points, 9, backend=backend)
    for name in ('_VALUES_PER_TILE', '_VALUES_PER_BLOCK'):
        monkeypatch.setattr(neighbours, name, 7 * len(points))
    blocks = nearest_neighbours(points, 9, backend=backend)
    with reference_kernels():
        reference = nearest_neighbours(points, 9, backend=backend)
    for other in (blocks, reference):
        assert torch.equal(other.indices, whole.indices)
        torch.testing.assert_close(other.sq_dists, whole.sq_dists, rtol=0, atol=1e-14)


def test_backends_agree():
    pytest.importorskip('faiss')
    points = unit_rows(clustered(500, dims=32, twins=100, seed=3))
    first, second = (nearest_neighbours(points, 12, backend=backend) for backend in ('torch', 'faiss'))
    assert torch.equal(first.indices, second.indices)
    assert torch.equal(first.sq_dists, second.sq_dists)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtype_is_lifted_before_anything_is_computed(dtype):
    feats = torch.from_numpy(clustered(80, seed=5)).to(dtype)
    found = nearest_neighbours(unit_rows(feats), 6)
    assert found.indices.tolist() == neighbour_lists(unit(feats.double().numpy()), 6)


def test_precision_settings_of_a_training_change_nothing():
    points = unit_rows(clustered(300, dims=64, noise=1.0))
    plain = nearest_neighbours(points, 10)
    chosen, seen = torch.get_float32_matmul_precision(), []
    try:
        torch.set_float32_matmul_precision('medium')
        with torch.autocast('cpu', dtype=torch.bfloat16):
            inside = nearest_neighbours(points, 10, read_tile=lambda start, tile: seen.append(
                (torch.get_float32_matmul_precision(), torch.is_autocast_enabled('cpu'))))
            assert torch.is_autocast_enabled('cpu')
        assert torch.get_float32_matmul_precision() == 'medium'
    finally:
        torch.set_float32_matmul_precision(chosen)
    assert torch.equal(inside.indices, plain.indices)
    assert set(seen) == {('highest', False)}


def test_tiles_show_all_distances(monkeypatch):
    feats = clustered(700)
    seen = np.full((700, 700), np.nan)

    def read_tile(start, tile):
        rows = slice(start, start + len(tile))
        seen[rows, start:] = tile
        seen[start:, rows] = tile.T

    monkeypatch.setattr(neighbours, '_VALUES_PER_TILE', 700 * 90)
    nearest_neighbours(unit_rows(feats), 3, read_tile=read_tile)
    np.testing.assert_allclose(seen, sq_dists(unit(feats)), atol=1e-5)


def test_no_points():
    found = nearest_neighbours(unit_rows(np.zeros((0, 4))), 3)
    assert found.indices.shape == found.sq_dists.shape == (0, 0)


def test_unit_rows():
    feats = [[3., 4.], [0., 0.], [1e-200, 0.], [1e200, 1e200]]
    expected = [[.6, .8], [0., 0.], [1., 0.], [.5**.5, .5**.5]]
    torch.testing.assert_close(unit_rows(feats), torch.tensor(expected, dtype=torch.float64))
    strided = torch.arange(24.).view(4, 6)[:, ::2]
    torch.testing.assert_close(unit_rows(strided).norm(dim=1), torch.ones(4, dtype=torch.float64))
    assert unit_rows(strided).is_contiguous()


@pytest.mark.parametrize(('feats', 'error', 'message'), [
    ([1., 2.], ValueError, r'feats must have shape \(N, D\), got \(2,\)'),
    (np.zeros((2, 0)), ValueError, r'feats must have shape \(N, D\), got \(2, 0\)'),
    ([[1., np.nan], [2., 1.], [np.inf, 0.]], ValueError, r'feats must be finite.* in 2 of 3 rows \(first: row 0\)'),
    ('text', TypeError, 'feats must be an array of numbers, got str'),
    (torch.eye(2).to_sparse(), TypeError, 'feats must be a dense tensor of real numbers, got torch.sparse_coo'),
    (np.zeros((2, 2), complex), TypeError, 'feats must be an array of numbers, got ndarray of complex128'),
    (torch.zeros(2, 2, dtype=torch.complex64), TypeError, 'feats must be a dense tensor of real numbers, got torch.strided of torch.complex64'),
])
def test_features_that_are_none(feats, error, message):
    with pytest.raises(error, match=message):
        check_feats(feats)


FEATS = np.arange(12, dtype=np.float32).reshape(4, 3) + 1


@pytest.mark.parametrize('feats', [
    FEATS[::-1], FEATS[:, ::-1], FEATS.astype('>f4'), FEATS.astype(np.longdouble), FEATS.astype(np.uint16),
    np.asfortranarray(FEATS), torch.from_numpy(FEATS).to(torch.float8_e4m3fn)], ids=str)
def test_arrays_of_all_kinds(feats):
    expected = feats.float().numpy() if isinstance(feats, torch.Tensor) else np.array(feats, np.float64)
    np.testing.assert_array_equal(check_feats(feats), expected)


def test_a_read_only_array_is_left_alone():
    feats = FEATS.copy()
    feats.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        check_feats(feats)[0, 0] = 99
    assert feats[0, 0] == 1


def test_features_of_two_models():
    with pytest.raises(ValueError, match='must have one number of columns, got 2 and 3; take both from the same model'):
        paired_feats(np.ones((1, 2)), np.ones((1, 3)))


@pytest.mark.parametrize('k', [0, -1, 2.0, True])
def test_illegal_k(k):
    with pytest.raises(ValueError, match=f'k must be an int >= 1, got {k}'):
        nearest_neighbours(unit_rows(np.eye(3)), k)


def test_backends_that_do_not_do(monkeypatch):
    points = unit_rows(np.eye(3))
    with pytest.raises(ValueError, match="backend must be 'auto', 'faiss' or 'torch', got 'annoy'"):
        nearest_neighbours(points, 1, backend='annoy')
    with pytest.raises(ValueError, match="backend 'faiss' has no tiles to read; use 'torch'"):
        nearest_neighbours(points, 1, backend='faiss', read_tile=print)
    monkeypatch.setitem(sys.modules, 'faiss', None)
    with pytest.raises(ImportError, match=r"pip install 'pedsearch\[faiss\]', or use backend 'torch'"):
        nearest_neighbours(points, 1, backend='faiss')
