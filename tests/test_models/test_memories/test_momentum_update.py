import torch
import torch.nn.functional as F

from pedsearch.models.memories.momentum_update import momentum_update, occurrence_rounds


def test_occurrence_rounds():
    assert occurrence_rounds(torch.tensor([0, 2, 0, 0, 3, 2, 1, 0, 3])).tolist() == [0, 0, 1, 2, 0, 1, 0, 3, 1]
    assert occurrence_rounds(torch.zeros(0, dtype=torch.long)).tolist() == []


def test_equals_a_loop_over_the_samples():
    generator = torch.Generator().manual_seed(0)
    rows = F.normalize(torch.randn(5, 7, generator=generator), dim=1)
    embed = F.normalize(torch.randn(40, 7, generator=generator), dim=1)
    ids = torch.randint(0, 4, (40, ), generator=generator)
    expected = rows.clone()
    for x, slot in zip(embed, ids.tolist()):
        mixed = .2 * expected[slot] + .8 * x
        expected[slot] = mixed / mixed.norm()
    momentum_update(rows, embed, ids, .2)
    torch.testing.assert_close(rows, expected)
    momentum_update(rows, embed[:0], ids[:0], .2)
    torch.testing.assert_close(rows, expected)


def test_samples_that_are_not_finite_are_left_out():
    rows, other = torch.eye(3), torch.eye(3)
    embed, ids = F.normalize(torch.randn(5, 3), dim=1), torch.tensor([0, 1, 1, 0, 2])
    embed[[0, 4], 1] = torch.tensor([float('nan'), float('inf')])
    momentum_update(rows, embed, ids, .2)
    momentum_update(other, embed[1:4], ids[1:4], .2)
    assert torch.equal(rows, other)
