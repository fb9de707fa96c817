import pytest
import torch

from pedsearch.ops import reference_kernels, smallest_of_symmetric

CPU = torch.device('cpu')


def bands(matrix, num_rows):
    for start in range(0, len(matrix), num_rows):
        yield matrix[start:start + num_rows, start:]


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('size', 'num_rows', 'k'), [(1, 1, 1), (50, 50, 7), (150, 13, 150), (300, 64, 5), (700, 100, 30)])
@pytest.mark.parametrize('kind', ['random', 'ties', 'equal', 'falling'])
def test_equals_a_sort_of_whole_rows(size, num_rows, k, kind, native):
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(size))
    matrix = matrix + matrix.T
    matrix = dict(ties=matrix.round(), equal=torch.ones_like(matrix),
                  falling=-torch.arange(size) - torch.arange(size)[:, None].float()).get(kind, matrix)
    if native:
        values, indices = smallest_of_symmetric(bands(matrix, num_rows), size, k, CPU)
    else:
        with reference_kernels():
            values, indices = smallest_of_symmetric(bands(matrix, num_rows), size, k, CPU)
    assert torch.equal(values.sort(dim=1).values, matrix.sort(dim=1).values[:, :k])
    assert torch.equal(matrix.gather(1, indices.long()), values)
    assert all(len(set(row)) == k for row in indices.tolist())
