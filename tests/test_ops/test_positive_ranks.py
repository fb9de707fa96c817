import numpy as np
import pytest
import torch

from pedsearch.ops import native_library, positive_ranks, reference_kernels

DEVICES = ['cpu', pytest.param('cuda', marks=pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU'))]
NO_LIST = torch.tensor([0, 0])


@pytest.fixture(params=['native', 'reference'])
def kernels(request):
    if request.param == 'native':
        if native_library(torch.device('cpu')) is None:
            pytest.skip('the native kernels are not built')
        yield
    else:
        with reference_kernels():
            yield


def plain_ranks(dist, pos_indptr, pos_indices, junk_indptr, junk_indices):
    """The place of each positive in the whole order of its row without junk."""
    ranks = []
    for row, values in enumerate(dist.tolist()):
        junk = set(junk_indices[junk_indptr[row]:junk_indptr[row + 1]].tolist())
        order = [i for i in sorted(range(len(values)), key=lambda i: (values[i], i)) if i not in junk]
        ranks += [order.index(i) + 1 for i in pos_indices[pos_indptr[row]:pos_indptr[row + 1]].tolist()]
    return ranks


def random_lists(num_rows, num_columns, rng):
    """Positives and junk of each row, listed in any order."""
    kinds = rng.choice(3, size=(num_rows, num_columns), p=[.3, .2, .5])
    lists = []
    for kind in (0, 1):
        columns = [rng.permutation(np.flatnonzero(row == kind)) for row in kinds]
        indptr = np.concatenate([[0], np.cumsum([len(part) for part in columns])])
        lists += [torch.from_numpy(indptr).long(), torch.from_numpy(np.concatenate(columns)).long()]
    return lists


def values_with_ties(shape, kind, rng):
    if kind == 'few values':
        return rng.integers(-2, 3, shape).astype(float)
    if kind == 'infinite':
        return rng.choice([-np.inf, 0., 1., np.inf], shape)
    if kind == 'signed zeros':
        return rng.choice([-0., 0., 1e-40], shape)
    return rng.standard_normal(shape)


@pytest.mark.parametrize('device', DEVICES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('kind', ['distinct', 'few values', 'infinite', 'signed zeros'])
def test_ranks_equal_the_whole_order(kernels, kind, dtype, device):
    rng = np.random.default_rng(0)
    for num_rows, num_columns in [(1, 1), (1, 30), (7, 1), (5, 40), (9, 17)] * 4:
        dist = torch.from_numpy(values_with_ties((num_rows, num_columns), kind, rng)).to(dtype)
        lists = random_lists(num_rows, num_columns, rng)
        found = positive_ranks(dist.to(device), *(part.to(device) for part in lists))
        assert found.dtype == torch.int64
        assert found.device.type == device
        assert found.tolist() == plain_ranks(dist, *lists)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_long_rows(kernels, dtype):
    """Longer than the pieces that the kernel reads a row in, with positives at their borders."""
    rng = np.random.default_rng(1)
    dist = torch.from_numpy(rng.integers(0, 500, (3, 9001))).to(dtype)
    columns = torch.tensor([0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 9000])
    lists = [torch.tensor([0, 9, 9, 18]), columns.repeat(2), torch.tensor([0, 3, 6, 9]),
             torch.tensor([5, 4094, 8999]).repeat(3)]
    order = np.argsort(dist.numpy(), axis=1, kind='stable')
    expected = []
    for row in (0, 2):
        kept = order[row][~np.isin(order[row], [5, 4094, 8999])].tolist()
        expected += [kept.index(column) + 1 for column in columns.tolist()]
    assert positive_ranks(dist, *lists).tolist() == expected


def test_one_thread_equals_many(kernels):
    rng = np.random.default_rng(2)
    dist, lists = torch.from_numpy(rng.integers(0, 9, (50, 60))).float(), random_lists(50, 60, rng)
    expected, num_threads = positive_ranks(dist, *lists), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert positive_ranks(dist, *lists).equal(expected)
    finally:
        torch.set_num_threads(num_threads)


def test_strided_tensors(kernels):
    rng = np.random.default_rng(3)
    dist, lists = torch.from_numpy(rng.standard_normal((8, 20))), random_lists(8, 20, rng)
    strided = [torch.stack([part, part], dim=1)[:, 0] for part in (dist.T.contiguous().T, *lists)]
    assert positive_ranks(dist.T.contiguous().T, *strided[1:]).tolist() == plain_ranks(dist, *lists)


def test_nothing_to_rank(kernels):
    empty = torch.zeros(0, dtype=torch.int64)
    assert positive_ranks(torch.rand(1, 5), NO_LIST, empty, NO_LIST, empty).tolist() == []
    assert positive_ranks(torch.rand(0, 5), NO_LIST[:1], empty, NO_LIST[:1], empty).tolist() == []
    assert positive_ranks(torch.rand(1, 0), NO_LIST, empty, NO_LIST, empty).dtype == torch.int64


@pytest.mark.parametrize(('changes', 'text'), [
    ({'dist': torch.rand(4)}, r'dist must have shape \(b, G\) and be float32 or float64, got \(4,\) torch.float32'),
    ({'dist': torch.rand(1, 4).half()}, r'got \(1, 4\) torch.float16'),
    ({'pos_indices': torch.tensor([4])}, r'pos_indices must be in 0...3, got 4 to 4'),
    ({'junk_indices': torch.tensor([-1])}, r'junk_indices must be in 0...3, got -1 to -1'),
    ({'pos_indices': torch.tensor([1.])}, 'pos_indices must be a 1-d int64 tensor on cpu'),
    ({'junk_indptr': torch.tensor([[0, 1]])}, r'junk_indptr must be a 1-d int64 tensor on cpu, got \(1, 2\)'),
    ({'pos_indptr': torch.tensor([0, 2])}, r'pos_indptr must rise from 0 to the 1 indices in 2 steps, got \[0, 2\]'),
    ({'pos_indptr': torch.tensor([0, 0, 1])}, r'pos_indptr must rise from 0 .* got \[0, 0, 1\]'),
    ({'junk_indptr': torch.tensor([1, 1])}, r'junk_indptr must rise from 0'),
    ({'dist': torch.rand(2, 4), 'pos_indptr': torch.tensor([0, 2, 1])}, r'pos_indptr must rise from 0 .* got \[0, 2, 1\]'),
])
def test_lists_that_point_outside(changes, text):
    args = dict(dist=torch.rand(1, 4), pos_indptr=torch.tensor([0, 1]), pos_indices=torch.tensor([3]),
                junk_indptr=torch.tensor([0, 1]), junk_indices=torch.tensor([0]))
    with pytest.raises(ValueError, match=text):
        positive_ranks(**{**args, **changes})
