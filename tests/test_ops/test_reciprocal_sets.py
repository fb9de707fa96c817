import pytest
import torch

from pedsearch.ops import reciprocal_sets, reference_kernels

from .. import plain_reciprocal


def as_lists(starts, members):
    return [members[a:b].tolist() for a, b in zip(starts[:-1], starts[1:])]


def run(native, *args):
    if native:
        return reciprocal_sets(*args)
    with reference_kernels():
        return reciprocal_sets(*args)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('num', 'k', 'k_half', 'twins'), [(60, 9, 5, 0), (60, 9, 5, 20), (40, 6, 6, 0), (30, 4, 1, 5),
                                                           (12, 12, 12, 0), (1, 1, 1, 0)])
def test_equals_python_sets(num, k, k_half, twins, native):
    lists = plain_reciprocal.neighbour_lists(plain_reciprocal.clustered(num, noise=.9, twins=twins, seed=k), k)
    starts, members = run(native, torch.tensor(lists, dtype=torch.int32), k, k_half)
    assert as_lists(starts, members) == plain_reciprocal.reciprocal_sets(lists, k, k_half)
    assert (starts.dtype, members.dtype) == (torch.int64, torch.int32)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('short_list_of_1', 'joins'), [([1, 2, 3], False), ([1, 2, 0], True)])
def test_more_than_two_thirds_must_lie_inside(short_list_of_1, joins, native):
    # Mutual neighbours of 0 are {0, 1, 2}. With {1, 2, 3} as the mutual short list of 1 exactly two thirds lie inside.
    rest = next(i for i in (0, 3) if i not in short_list_of_1)
    lists = torch.tensor([[0, 1, 2, 4], [*short_list_of_1, rest], [2, 1, 0, 3], [3, 1, 2, 4], [4, 3, 2, 1]],
                         dtype=torch.int32)
    found = as_lists(*run(native, lists, 4, 3))
    assert found == plain_reciprocal.reciprocal_sets(lists.tolist(), 4, 3)
    assert (3 in found[0]) is False
    assert found[0] == [0, 1, 2]
    assert joins == (0 in found[1] and 3 in found[1] and short_list_of_1[2] == 0)


@pytest.mark.parametrize('native', [True, False])
def test_only_the_first_entries_count(native):
    lists = torch.tensor(plain_reciprocal.neighbour_lists(plain_reciprocal.clustered(50), 12), dtype=torch.int32)
    wide, narrow = run(native, lists, 5, 3), run(native, lists[:, :5], 5, 3)
    assert torch.equal(wide[1], narrow[1])


def test_kernel_and_reference_agree_on_any_lists():
    generator = torch.Generator().manual_seed(0)
    lists = torch.stack([torch.randperm(400, generator=generator)[:30] for _ in range(400)]).int()
    lists[:, 0] = torch.arange(400)
    for row in lists:
        row[1:][row[1:] == row[0]] = -1
    lists = torch.where(lists < 0, (lists[:, :1] + 1) % 400, lists)
    native, reference = run(True, lists, 30, 16), run(False, lists, 30, 16)
    assert torch.equal(native[0], reference[0])
    assert torch.equal(native[1], reference[1])
