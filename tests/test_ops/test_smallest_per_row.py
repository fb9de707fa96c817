import pytest
import torch

from pedsearch.ops import reference_kernels, smallest_per_row


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('cols', 'k'), [(1, 1), (5, 5), (63, 7), (64, 3), (65, 64), (1000, 1), (3000, 40)])
@pytest.mark.parametrize('order', ['random', 'rising', 'falling', 'ties', 'equal', 'infinite'])
def test_equals_a_sort(cols, k, order, native):
    values = torch.randn(7, cols, generator=torch.Generator().manual_seed(cols))
    if order in ('rising', 'falling'):
        values = values.sort(dim=1, descending=order == 'falling').values
    values = dict(ties=values.mul(2).round(), equal=torch.ones_like(values),
                  infinite=values.masked_fill(values > 0, float('inf'))).get(order, values)
    if native:
        smallest, indices = smallest_per_row(values, k)
    else:
        with reference_kernels():
            smallest, indices = smallest_per_row(values, k)
    assert torch.equal(smallest.sort(dim=1).values, values.sort(dim=1).values[:, :k])
    assert torch.equal(values.gather(1, indices), smallest)
    assert all(len(set(row)) == k for row in indices.tolist())


def test_strided_values():
    values = torch.randn(100, 6).T
    smallest, indices = smallest_per_row(values, 4)
    assert torch.equal(smallest.sort(dim=1).values, values.sort(dim=1).values[:, :4])
    assert torch.equal(values.gather(1, indices), smallest)
