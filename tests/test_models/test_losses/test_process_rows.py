import functools

import pytest
import torch

from pedsearch.models.losses import apply_to_dealt_rows, gather_rows
from pedsearch.models.losses.process_rows import check_labeled_rows
from tests.processes import run_on_processes

ROWS, LABELS = torch.arange(10.).view(5, 2), torch.arange(5)
SIZES = [[3, 2], [0, 5]]


def gathered(rank: int, world_size: int) -> list[tuple]:
    results = []
    for sizes in SIZES:
        rows = ROWS.split(sizes)[rank].clone().requires_grad_()
        all_rows, all_labels = gather_rows(rows, LABELS.split(sizes)[rank])
        ((rank + 1) * all_rows.square()).sum().backward()
        results.append((all_rows.detach(), all_labels, rows.grad))
    return results


def test_unequal_rows_in_rank_order_and_gradients_of_all_processes():
    for rank, results in enumerate(run_on_processes(gathered, 2)):
        for sizes, (all_rows, all_labels, grad) in zip(SIZES, results):
            assert torch.equal(all_rows, ROWS)
            assert torch.equal(all_labels, LABELS)
            assert torch.equal(grad, (1 + 2) * 2 * ROWS.split(sizes)[rank])


def test_one_process_has_the_rows_themselves():
    rows = torch.randn(3, 2)
    assert gather_rows(rows)[0] is rows


def less_group_mean(groups: int, rows: torch.Tensor) -> torch.Tensor:
    """Rows less the mean of their contiguous group, as batch norm has it."""
    return torch.cat([group - group.mean(dim=0) for group in rows.chunk(groups)])


def test_every_group_gets_rows_of_all_groups():
    rows = torch.randn(12, 2)
    found = apply_to_dealt_rows(functools.partial(less_group_mean, 3), rows, num_groups=3)
    for members in ([0, 4, 8, 1], [5, 9, 2, 6], [10, 3, 7, 11]):  # dealt by hand: one of each group in turn
        torch.testing.assert_close(found[members], rows[members] - rows[members].mean(dim=0))


def test_dealing_changes_nothing_row_by_row():
    rows = torch.randn(12, 2, requires_grad=True)
    found = apply_to_dealt_rows(torch.sin, rows, num_groups=4)
    assert torch.equal(found, rows.sin())
    assert not found.requires_grad
    with pytest.raises(ValueError, match='the batch of all processes must be a multiple of 5, got 12 rows'):
        apply_to_dealt_rows(torch.sin, rows, num_groups=5)


def dealt(rank: int, world_size: int) -> torch.Tensor:
    rows = torch.arange(16.).square().view(8, 2).chunk(world_size)[rank]
    return apply_to_dealt_rows(functools.partial(less_group_mean, 4 // world_size), rows, num_groups=4)


def test_rows_are_dealt_across_processes():
    assert torch.equal(torch.cat(run_on_processes(dealt, 2)), dealt(0, 1))


@pytest.mark.parametrize(('feats', 'labels', 'error', 'message'), [
    (torch.randn(3), torch.arange(3), ValueError, r'feats must have shape \(B, D\) and labels \(B,\), got \(3,\)'),
    (torch.randn(3, 2), torch.arange(2), ValueError, r'got \(3, 2\) and \(2,\)'),
    (torch.randn(3, 2), torch.rand(3), TypeError, 'labels must be integers, got torch.float32'),
    (torch.randn(3, 2), torch.tensor([0, -1, 1]), ValueError, r'in 0\.\.\.3, got -1\.\.\.1; leave unlabelled rows out'),
    (torch.randn(3, 2), torch.tensor([0, 4, 1]), ValueError, r'in 0\.\.\.3, got 0\.\.\.4; .* take num_classes from')])
def test_bad_input(feats, labels, error, message):
    with pytest.raises(error, match=message):
        check_labeled_rows(feats, labels, num_classes=4)


def test_without_a_number_of_classes_labels_are_only_not_negative():
    check_labeled_rows(torch.randn(2, 3), torch.tensor([7, 1000]))
    with pytest.raises(ValueError, match=r'labels must be >= 0, got -1\.\.\.0'):
        check_labeled_rows(torch.randn(2, 3), torch.tensor([0, -1]))
