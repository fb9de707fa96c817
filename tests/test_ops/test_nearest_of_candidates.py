import pytest
import torch

from pedsearch.ops import nearest_of_candidates, reference_kernels


def plain_nearest(points, row, candidates, k, grid):
    def key(j):
        sq_dist = sum((float(a) - float(b))**2 for a, b in zip(points[row], points[j]))
        return (j != row, round(sq_dist / grid), j)
    return sorted(candidates, key=key)[:k]


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('grid', [1e-9, 0.5])
@pytest.mark.parametrize('k', [1, 4, 9])
def test_equals_a_sort(k, grid, native):
    generator = torch.Generator().manual_seed(k)
    points = torch.randn(30, 11, generator=generator, dtype=torch.float64)
    points[20:] = points[:10]
    points[18] = points[8]
    rows = torch.tensor([3, 28, 0, 13, 5])
    candidates = torch.stack([torch.randperm(30, generator=generator)[:9] for _ in rows]).int()
    candidates[1] = torch.tensor([8, 2, 11, 28, 6, 4, 20, 29, 18])  # 8, 18 and 28 are one point, 28 asks
    if native:
        indices, sq_dists = nearest_of_candidates(points, rows, candidates, k, grid)
    else:
        with reference_kernels():
            indices, sq_dists = nearest_of_candidates(points, rows, candidates, k, grid)
    expected = [plain_nearest(points, int(row), own, k, grid) for row, own in zip(rows, candidates.tolist())]
    assert indices.tolist() == expected
    torch.testing.assert_close(sq_dists, (points[rows, None] - points[indices.long()]).square().sum(-1))
    assert (indices.dtype, sq_dists.dtype) == (torch.int32, torch.float64)
