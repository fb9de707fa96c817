import copy
import pickle

import pytest
import torch

from pedsearch.models.memories.class_logits import ClassCount, class_logits, class_means, row_products


def test_logits_are_means_over_the_rows_of_a_class():
    generator = torch.Generator().manual_seed(0)
    embed, rows = torch.randn(3, 5, generator=generator), torch.randn(7, 5, generator=generator)
    labels = torch.tensor([4, 0, 0, 1, 4, 4, 0])
    logits = class_logits(embed, rows, labels, 6, .5)
    for i, x in enumerate(embed):
        for k in range(6):
            sims = [float(x @ row) / .5 for row, label in zip(rows, labels) if label == k]
            torch.testing.assert_close(logits[i, k].item(), sum(sims) / len(sims) if sims else -float('inf'),
                                       atol=1e-5, rtol=1e-5)


def test_rows_get_no_gradient_and_may_change_before_backward():
    embed, rows = torch.eye(2, requires_grad=True), torch.eye(2, requires_grad=True)
    logits = class_logits(embed, rows, torch.arange(2), 2, .5)
    with torch.no_grad():
        rows.zero_()
    logits.diagonal().sum().backward()
    assert embed.grad.tolist() == [[2, 0], [0, 2]]
    assert rows.grad is None


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_means_are_those_of_the_rows_of_each_class(dtype):
    rows = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for numbers in ([4, 0, 0, 1, 4, 4, 0], [0, 1, 2, 2, 1, 0, 0]):
        labels, count = torch.tensor(numbers), ClassCount()
        means, shift = class_means(rows, count.rows(labels)), count.rows(labels).shift
        assert means.shape == (max(numbers) + 1, 5)
        for k, mean in enumerate(means):
            members = [row for row, number in zip(rows, numbers) if number == k]
            torch.testing.assert_close(mean, sum(members) / len(members) if members else torch.zeros_like(mean))
        missing = [k not in numbers for k in range(len(means))]
        assert any(missing) == (shift is not None)
        assert shift is None or shift.tolist() == [-float('inf') if gone else 0 for gone in missing]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_row_products(dtype):
    left, right = torch.randn(3, 40, dtype=dtype), torch.randn(40, 9, dtype=dtype)
    for other in (right.T, right.T.contiguous()):
        torch.testing.assert_close(row_products(left, other), left @ right)


class Watched(torch.Tensor):
    reads = 0

    def max(self) -> torch.Tensor:
        Watched.reads += 1
        return super().max()


def test_a_labelling_is_read_once():
    count, labels = ClassCount(), torch.tensor([0, 4, 2]).as_subclass(Watched)
    for reads, expected in ((1, 5), (2, 8), (3, 3)):
        assert [count(labels), count(labels)] == [expected, expected]
        assert len(count.rows(labels).starts) == expected
        assert Watched.reads == reads
        if reads == 1:
            labels[0] = 7
        else:
            labels = torch.tensor([2, 2]).as_subclass(Watched)
    assert count(torch.zeros(0, dtype=torch.long)) == 0


def test_copies_begin_anew():
    count, labels = ClassCount(), torch.tensor([0, 4])
    labels[0] = 1
    assert count(labels) == 5
    for twin_count, twin in (copy.deepcopy((count, labels)), pickle.loads(pickle.dumps((count, labels)))):
        twin[0] = 9  # its first version, too
        assert twin_count(twin) == 10
