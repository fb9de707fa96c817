import torch

from pedsearch.models.memories import PendingUpdate


def test_batches_come_once_in_their_order_and_without_graph():
    pending = PendingUpdate()
    rows = torch.ones(2, 3, requires_grad=True)
    pending.add(rows * 2, torch.tensor([0, 1]))
    pending.add(rows * 3, torch.tensor([2, 3]))
    (first, ids), (second, _) = pending.take()
    assert first.max() == 2
    assert second.max() == 3
    assert not first.requires_grad
    assert ids.tolist() == [0, 1]
    assert pending.take() == []


def test_a_validation_leaves_nothing():
    pending = PendingUpdate()
    with torch.no_grad():
        pending.add(torch.ones(2, 3), torch.tensor([0, 1]))
    assert pending.take() == []
