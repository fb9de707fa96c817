"""Oracles: worked numbers, a loop over samples and classes, and one process against two."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import HybridMemory
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

ROWS = torch.tensor([[1., 0.], [0., 1.], [.8, .6], [.6, .8], [-1., 0.], [0., -1.]])
LABELS = torch.tensor([0, 1, 2, 2, 3, 4])


def small_memory(rows=ROWS, labels=LABELS, **kwargs) -> HybridMemory:
    memory = HybridMemory(embed_dims=2, **kwargs)
    memory.reset(rows, labels)
    return memory


@pytest.mark.parametrize(('temperature', 'losses'), [(.5, (.817843, .865563)), (.05, (.248630, .342806))])
def test_loss_of_the_worked_example_of_two_domains(temperature, losses):
    memory = small_memory(temperature=temperature)
    source = memory.loss(torch.tensor([[3., 1.]]), torch.tensor([0]))
    target = memory.loss(torch.tensor([[1., 2.]]), torch.tensor([3]))
    assert (source.item(), target.item()) == pytest.approx(losses, abs=1e-5)


def test_loss_and_update_of_the_worked_example_of_one_domain():
    rows = torch.tensor([[1., 0.], [.8, .6], [0., 1.], [-.6, .8], [-1., 0.], [0., -1.]])
    memory = small_memory(rows, torch.tensor([0, 0, 1, 2, 3, 4]), temperature=.5)
    feats, slots = torch.tensor([[3., 4.], [1., .5]]), torch.tensor([1, 2])
    assert memory.loss(feats, slots).item() == pytest.approx(1.178099, abs=1e-5)
    memory.update(feats, slots)
    expected = rows.clone()
    expected[1:3] = torch.tensor([[.644136, .764911], [.788690, .614791]])
    torch.testing.assert_close(memory.embeds, expected, atol=1e-5, rtol=0)


def test_order_of_the_updates_of_one_row():
    for order, slot in (([0, 1], (.535261, .844687)), ([1, 0], (.153576, .988137))):
        memory = small_memory(torch.tensor([[1., 0.]]), torch.tensor([0]))
        memory.update(torch.tensor([[0., 1.], [.6, .8]])[order], torch.zeros(2, dtype=torch.long))
        torch.testing.assert_close(memory.embeds, torch.tensor([slot]), atol=1e-5, rtol=0)


def test_the_loss_of_one_domain_does_not_see_the_update_of_the_other():
    memory = small_memory(torch.tensor([[1., 0.], [0., 1.], [1., 1.], [-1., 1.]]), torch.arange(4))
    feats = torch.nn.functional.normalize(torch.tensor([[.9, .3], [.3, .9]])).requires_grad_()
    source, target = memory.loss(feats[:1], torch.tensor([0])), memory.loss(feats[1:], torch.tensor([2]))
    memory.update(feats, torch.tensor([0, 2]))
    (source + target).backward()
    raw = torch.tensor([[-1.479378, 3.571468], [-10.571253, 4.378340]])  # before the inner normalisation
    directions = feats.detach()
    tangent = raw - (raw * directions).sum(dim=1, keepdim=True) * directions
    torch.testing.assert_close(feats.grad, tangent, atol=1e-4, rtol=0)
    torch.testing.assert_close(memory.embeds[[0, 2]], torch.tensor([[.966919, .255085], [.401239, .915973]]),
                               atol=1e-5, rtol=0)


def plain_loss(memory: HybridMemory, feats: torch.Tensor, rows: list) -> float:
    losses = []
    for feat, row in zip(F.normalize(feats, dim=1), rows):
        sims = memory.embeds @ feat / memory.temperature
        classes = {int(label): sims[memory.labels == label].mean() for label in memory.labels.unique()}
        logits = torch.stack(list(classes.values()))
        losses.append(logits.logsumexp(0) - classes[int(memory.labels[row])])
    return float(torch.stack(losses).mean())


def random_batch() -> tuple:
    generator = torch.Generator().manual_seed(1)
    rows, feats = torch.randn(12, 6, generator=generator), torch.randn(20, 6, generator=generator)
    labels = torch.tensor([0, 0, 2, 5, 2, 2, 7, 7, 1, 1, 0, 3])  # 4 and 6 have no row
    return rows, labels, feats, torch.randint(0, 12, (20, ), generator=generator)


def test_loss_equals_a_loop_where_numbers_are_missing():
    rows, labels, feats, slots = random_batch()
    memory = HybridMemory(6, temperature=.3)
    memory.reset(rows, labels)
    assert memory.loss(feats, slots).item() == pytest.approx(plain_loss(memory, feats, slots.tolist()), abs=1e-5)


def test_a_loss_is_not_capped():
    memory = small_memory(temperature=.01)
    assert memory.loss(torch.tensor([[-1., 0.]]), torch.tensor([0])).item() == pytest.approx(200, abs=1e-3)


def use_a_chunk(rank: int, world_size: int) -> dict:
    rows, labels, feats, slots = random_batch()
    memory, chunk = HybridMemory(6), slice(0, 7) if rank == 0 else slice(7, 20)
    memory.reset(rows, labels)
    feats = feats[chunk].requires_grad_()
    loss = memory.loss(feats, slots[chunk])
    loss.backward()
    memory.update(feats, slots[chunk])
    return dict(loss=loss.detach(), grad=feats.grad, embeds=memory.embeds)


def test_two_processes_are_one():
    rows, labels, feats, slots = random_batch()
    memory, feats = HybridMemory(6), feats.requires_grad_()
    memory.reset(rows, labels)
    loss = memory.loss(feats, slots)
    loss.backward()
    memory.update(feats, slots)
    parts = run_on_processes(use_a_chunk, 2)
    torch.testing.assert_close((parts[0]['loss'] + parts[1]['loss']) / 2, loss.detach())
    torch.testing.assert_close(torch.cat([part['grad'] for part in parts]) / 2, feats.grad)
    for part in parts:
        assert torch.equal(part['embeds'], memory.embeds)


def test_nothing_in_the_loss_waits_for_the_device():
    memory = small_memory().to('meta')
    memory._count_classes._labels, memory._count_classes._version = memory.labels, memory.labels._version
    embed = torch.zeros(2, 2, device='meta', requires_grad=True)
    with host_traffic() as counts:
        memory.loss(embed, torch.zeros(2, dtype=torch.long, device='meta')).backward()
    assert not counts


def test_state_survives_a_checkpoint_of_another_size():
    memory, fresh = small_memory(), HybridMemory(2)
    fresh.load_state_dict(memory.state_dict())
    assert torch.equal(fresh.embeds, memory.embeds)
    assert torch.equal(fresh.labels, LABELS)


def test_rows_that_are_not_finite_are_left_out():
    memory, other = small_memory(), small_memory()
    feats = torch.tensor([[1., 2.], [float('nan'), 1.], [2., 1.]])
    memory.update(feats, torch.tensor([0, 1, 2]))
    other.update(feats[[0, 2]], torch.tensor([0, 2]))
    assert torch.equal(memory.embeds, other.embeds)


def test_labels_are_its_own():
    memory, labels = small_memory(), LABELS.clone()
    memory.set_labels(labels)
    labels[0] = 4
    assert torch.equal(memory.labels, LABELS)


def test_without_labels_every_row_is_a_class():
    memory = HybridMemory(2)
    memory.reset(ROWS)
    assert memory.labels.tolist() == list(range(6))


@pytest.mark.parametrize(('call', 'message'), [
    (lambda memory: memory.reset(torch.ones(2, 3)), r'embeds must have shape \(R, 2\), got \(2, 3\)'),
    (lambda memory: memory.reset(torch.tensor([[1., 0.], [float('nan'), 0.]])), 'got 1 that are not, first: 1'),
    (lambda memory: memory.reset(torch.tensor([[0., 0.], [1., 0.]])), 'embeds must be finite and not zero, got 1'),
    (lambda memory: memory.set_labels(torch.tensor([0, 1])), r'labels must have shape \(6,\), one a row, got \(2,\)'),
    (lambda memory: memory.set_labels(torch.tensor([0, 1, -1, 0, 1, 2])), 'labels must be >= 0, got -1; make outliers'),
    (lambda memory: memory.loss(torch.ones(1, 2), torch.tensor([6])), r'rows must lie in 0...5, got 6...6; reset'),
    (lambda memory: memory.update(torch.ones(1, 2), torch.tensor([-1])), r'rows must lie in 0...5, got -1...-1'),
])
def test_input_that_does_not_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call(small_memory())
