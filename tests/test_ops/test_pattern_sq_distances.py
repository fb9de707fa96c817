import importlib

import pytest
import torch

from pedsearch.ops import pattern_sq_distances, reference_kernels

MODULE = importlib.import_module('pedsearch.ops.pattern_sq_distances')  # the package's attribute is the function


def run(native, *args):
    if native:
        return pattern_sq_distances(*args)
    with reference_kernels():
        return pattern_sq_distances(*args)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('dims', [1, 7, 8, 37])
def test_equals_a_loop(dims, native, monkeypatch):
    monkeypatch.setattr(MODULE, '_VALUES_PER_CHUNK', 50)
    generator = torch.Generator().manual_seed(dims)
    left = torch.randn(9, dims, generator=generator, dtype=torch.float64)
    right = torch.randn(5, dims, generator=generator, dtype=torch.float64)
    starts = torch.tensor([0, 2, 2, 5, 6, 9, 9, 10, 12, 13])
    columns = torch.randint(5, (13, ), generator=generator, dtype=torch.int32)
    expected = [sum((float(a) - float(b))**2 for a, b in zip(left[row], right[column])) for row in range(9)
                for column in columns[starts[row]:starts[row + 1]]]
    found = run(native, left, right, starts, columns)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)


@pytest.mark.parametrize('native', [True, False])
def test_equal_points_have_equal_distances_and_identical_ones_none(native):
    points = torch.randn(20, 100, dtype=torch.float64).repeat(2, 1)
    starts = torch.arange(0, 40 * 40 + 1, 40)
    columns = torch.arange(40, dtype=torch.int32).repeat(40)
    dists = run(native, points, points, starts, columns).view(40, 40)
    assert torch.equal(dists[:, :20], dists[:, 20:])
    assert torch.equal(dists, dists.T)
    assert (dists.diagonal() == 0).all()


@pytest.mark.parametrize('native', [True, False])
def test_strided_points(native):
    points = torch.randn(6, 10, dtype=torch.float64)
    starts, columns = torch.arange(7), torch.tensor([1, 2, 3, 4, 5, 0], dtype=torch.int32)
    strided = run(native, points[:, ::2], points[:, ::2], starts, columns)
    torch.testing.assert_close(strided, run(native, points[:, ::2].clone(), points[:, ::2].clone(), starts, columns))
