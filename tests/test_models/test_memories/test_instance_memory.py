"""Oracles: worked numbers, a loop over samples and clusters and its gradient, and one process against two."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.memories import HybridMemory, InstanceMemory
from pedsearch.registry import MODELS
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

FEATS = torch.tensor([[1., 0.], [.8, .6], [0., 1.], [-.6, .8], [-1., 0.], [0., -1.]])
LABELS = torch.tensor([0, 0, 1, 2, 3, 4])
EMBED, SLOTS = torch.tensor([[3., 4.], [1., .5]]), torch.tensor([1, 2])


def small_memory(feats: torch.Tensor = FEATS, labels: torch.Tensor | None = LABELS, **kwargs) -> InstanceMemory:
    memory = InstanceMemory(0, feats.size(1), **kwargs)
    memory.reset(feats, labels)
    return memory


@pytest.mark.parametrize(('temperature', 'top_percent', 'expected', 'tolerance'), [
    (.5, .6, (.713345, 1.301492), 1e-5), (.5, 1, (.922035, 1.434164), 1e-5),
    (.05, .6, (.913013, 9.820180), 1e-4), (.05, 1, (.913030, 9.820180), 1e-4)])
def test_o9_losses(temperature, top_percent, expected, tolerance):
    memory = small_memory(temperature=temperature, top_percent=top_percent)
    losses = [memory.loss(EMBED[i:i + 1], SLOTS[i:i + 1]).item() for i in range(2)]
    assert losses == pytest.approx(expected, abs=tolerance)
    assert memory.loss(EMBED, SLOTS).item() == pytest.approx(sum(expected) / 2, abs=tolerance)


def test_o9_gradient_even_where_an_update_comes_before_backward():
    memory, embed = small_memory(temperature=.5), EMBED.clone().requires_grad_()
    loss = memory.loss(embed, SLOTS)
    memory.update(embed, SLOTS)
    loss.backward()
    torch.testing.assert_close(embed.grad, torch.tensor([[-.093024, .069768], [.299473, -.598947]]), atol=1e-5, rtol=0)
    torch.testing.assert_close((embed.grad * EMBED).sum(dim=1), torch.zeros(2), atol=1e-6, rtol=0)


def test_o10_update_and_the_defaults_of_the_released_code():
    memory = MODELS.build(dict(type='InstanceMemory', num_slots=6, embed_dims=2))
    assert (memory.temperature, memory.momentum, memory.top_percent, memory.eps) == (.05, .2, .6, 1e-6)
    assert memory.labels.tolist() == list(range(6))
    memory.reset(FEATS)
    memory.update(EMBED, SLOTS)
    expected = FEATS.clone()
    expected[1:3] = torch.tensor([[.644136, .764911], [.788690, .614791]])
    torch.testing.assert_close(memory.feats, expected, atol=1e-5, rtol=0)
    assert torch.equal(memory.feats[[0, 3, 4, 5]], FEATS[[0, 3, 4, 5]])


@pytest.mark.parametrize(('order', 'expected'), [([0, 1], (.535261, .844687)), ([1, 0], (.153576, .988137))])
def test_o11_updates_of_one_slot_follow_the_order_of_the_batch(order, expected):
    memory = small_memory(torch.tensor([[1., 0.]]), None)
    memory.update(torch.tensor([[0., 1.], [.6, .8]])[order], torch.zeros(2, dtype=torch.long))
    torch.testing.assert_close(memory.feats, torch.tensor([expected]), atol=1e-5, rtol=0)


def plain_kept(exponentials: dict, top_percent: float) -> list:
    """Of numbers and exponentials of negatives the numbers that are kept."""
    falling = sorted(exponentials.values(), reverse=True)
    if top_percent == 1 or not falling:
        return list(exponentials)
    reached, distances = 0, []
    for value in falling:
        reached = reached + value.item() / sum(falling).item()
        distances.append(abs(reached - top_percent))
    return [k for k, value in exponentials.items() if value >= falling[distances.index(min(distances))]]


def plain_loss(memory: InstanceMemory, embed: torch.Tensor, slots: list) -> torch.Tensor:
    """One sample, one slot, one cluster after the other, in the order of the formulas."""
    losses = []
    for x, slot in zip(embed, slots):
        x, members = x / x.norm(), {}
        for feat, label in zip(memory.feats, memory.labels.tolist()):
            members.setdefault(label, []).append((x * feat).sum() / memory.temperature)
        exps = {label: (sum(logits) / len(logits)).exp() for label, logits in members.items()}
        right = exps.pop(int(memory.labels[slot]))
        kept = sum(exps[k] for k in plain_kept(exps, memory.top_percent))
        losses.append(-(right / (right + kept + memory.eps) + memory.eps).log())
    return sum(losses) / len(losses)


def tied_batch() -> tuple:
    """Similarities that are sums of quarters, exact in every order, so that many are equal."""
    generator = torch.Generator().manual_seed(0)
    halves = torch.randint(0, 2, (14, 4), generator=generator, dtype=torch.double) - .5
    feats = torch.cat([halves[:8], torch.eye(4).double(), -torch.eye(4).double()[:2]])
    return feats, torch.arange(14), halves[5:], torch.tensor([3, 0, 0, 9, 13, 7, 11, 2, 5])


def random_batch(seed: int = 0) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    feats = F.normalize(torch.randn(14, 4, generator=generator, dtype=torch.double), dim=1)
    labels = torch.tensor([0, 0, 2, 5, 2, 2, 7, 8, 1, 9, 0, 3, 3, 10])  # singletons, numbers without slot
    return feats, labels, torch.randn(9, 4, generator=generator, dtype=torch.double), torch.tensor(
        [3, 0, 0, 9, 13, 7, 11, 2, 5])


@pytest.mark.parametrize('top_percent', [1e-9, .3, .6, .95, 1])
@pytest.mark.parametrize('eps', [0, 1e-6, .1])
@pytest.mark.parametrize('temperature', [.0625, .5])
def test_value_and_gradient_of_a_loop(top_percent, eps, temperature):
    for feats, labels, embed, slots in (random_batch(0), random_batch(1), tied_batch()):
        memory = InstanceMemory(0, 4, temperature, .2, top_percent, eps).double()
        memory.reset(feats, labels)
        embed.requires_grad_()
        loss, plain = memory.loss(embed, slots), plain_loss(memory, embed, slots.tolist())
        torch.testing.assert_close(loss, plain, atol=1e-9, rtol=1e-7)
        torch.testing.assert_close(*torch.autograd.grad(loss, embed), *torch.autograd.grad(plain, embed), atol=1e-9,
                                   rtol=1e-6)


def test_single_precision_of_a_loop():
    feats, labels, embed, slots = random_batch()
    memory = small_memory(feats.float(), labels, temperature=.3)
    plain = plain_loss(memory, embed.float(), slots.tolist())
    torch.testing.assert_close(memory.loss(embed.float(), slots), plain, atol=1e-5, rtol=1e-5)


def test_gradcheck():
    feats, labels, embed, slots = random_batch()
    memory = InstanceMemory(0, 4, temperature=.5).double()
    memory.reset(feats, labels)
    assert torch.autograd.gradcheck(lambda x: memory.loss(x, slots), embed.requires_grad_())


def test_all_clusters_without_eps_are_the_classes_of_the_hybrid_memory():
    feats, labels, embed, slots = (part.float() if part.is_floating_point() else part for part in random_batch())
    hybrid = HybridMemory(4)
    hybrid.reset(feats, labels)
    memory = small_memory(feats, labels, top_percent=1, eps=0)
    torch.testing.assert_close(memory.loss(embed, slots), hybrid.loss(embed, slots))


def test_o30_singletons_discriminate_instances():
    feats, _, embed, slots = random_batch()
    memory = small_memory(feats.float(), None, top_percent=1, eps=0)
    logits = F.normalize(embed.float(), dim=1) @ feats.float().T / .05
    torch.testing.assert_close(memory.loss(embed.float(), slots), F.cross_entropy(logits, slots))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_and_small_temperatures_neither_overflow_nor_round(dtype):
    feats, labels, embed, slots = random_batch()
    memory = small_memory(feats.float(), labels, temperature=1e-3)
    half = embed.to(dtype).requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = memory.loss(half, slots)
    loss.backward()
    assert loss.dtype == torch.float32
    assert half.grad.isfinite().all()
    torch.testing.assert_close(loss, memory.loss(half.float(), slots))
    assert loss < -math.log(1e-6)
    memory.eps = 0  # logits up to 1000
    assert 300 < memory.loss(half, slots) < 2000


@pytest.mark.parametrize('labels', [[0, 0, 0], [4, 4, 4]])
@pytest.mark.parametrize('top_percent', [.6, 1])
def test_a_single_cluster_has_no_negative_and_no_nan(labels, top_percent):
    memory = small_memory(FEATS[:3], torch.tensor(labels), top_percent=top_percent, eps=0)
    embed = EMBED.clone().requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        loss = memory.loss(embed, SLOTS)
        loss.backward()
    assert loss == 0
    assert not embed.grad.any()


def test_no_samples_give_zero_with_a_graph():
    for memory in (small_memory(), InstanceMemory(0, 2)):
        embed = torch.zeros(0, 2, requires_grad=True)
        loss = memory.loss(embed, torch.zeros(0, dtype=torch.long))
        loss.backward()
        memory.update(embed, torch.zeros(0, dtype=torch.long))
        assert loss == 0
        assert embed.grad.shape == (0, 2)


def test_zero_slots_stay_zero_and_rows_that_are_not_finite_are_left_out():
    feats = torch.stack([torch.zeros(2), 3 * FEATS[1], FEATS[2]])
    memory = small_memory(feats, None)
    assert memory.feats[0].tolist() == [0, 0]
    torch.testing.assert_close(memory.feats[1:], FEATS[1:3])
    assert memory.loss(EMBED, SLOTS).isfinite()
    other = copy.deepcopy(memory)
    memory.update(torch.tensor([[1., 2.], [float('nan'), 1.], [float('inf'), 1.], [2., 1.]]), torch.tensor([0, 1, 0, 0]))
    other.update(torch.tensor([[1., 2.], [2., 1.]]), torch.tensor([0, 0]))
    assert torch.equal(memory.feats, other.feats)
    torch.testing.assert_close(memory.feats.norm(dim=1), torch.ones(3))


def test_labels_that_are_written_in_place_or_loaded_count():
    memory, direct = small_memory(temperature=.5), small_memory(labels=torch.tensor([9, 0, 1, 2, 3, 4]), temperature=.5)
    before, expected = memory.loss(EMBED, SLOTS), direct.loss(EMBED, SLOTS)
    memory.labels[0] = 9
    assert memory.loss(EMBED, SLOTS) == expected != before
    fresh = InstanceMemory(2, 2, temperature=.5)
    fresh.load_state_dict(memory.state_dict())  # other number of slots
    assert fresh.loss(EMBED, SLOTS) == expected
    labels = LABELS.clone()
    fresh.set_labels(labels)
    labels[0] = 9
    assert fresh.loss(EMBED, SLOTS) == before


def use_a_share(rank: int, world_size: int) -> dict:
    """Samples 0...5 have 3, 1, 2, 0, 2 and 1 rows; rank r of W has the samples r, r + W, ..."""
    feats, labels, embed, slots = random_batch()
    sample_inds = torch.tensor([0, 0, 0, 1, 2, 2, 4, 4, 5])
    mine = sample_inds % world_size == rank
    memory = small_memory(feats.float(), labels, temperature=.3)
    embed, slots = embed[mine].float().requires_grad_(), slots[mine] % 2  # slots come up in samples of both
    loss = memory.loss(embed, slots)
    loss.backward()
    memory.update(embed, slots, sample_inds[mine] // world_size)
    return dict(loss=loss.detach(), grad=embed.grad, feats=memory.feats, mine=mine)


def test_two_processes_are_one():
    one, two = use_a_share(0, 1), run_on_processes(use_a_share, 2)
    torch.testing.assert_close((two[0]['loss'] + two[1]['loss']) / 2, one['loss'])
    for part in two:
        torch.testing.assert_close(part['grad'] / 2, one['grad'][part['mine']])
        assert torch.equal(part['feats'], one['feats'])


def test_nothing_in_the_loss_waits_for_the_device():
    memory = small_memory().to('meta')
    embed, slots = EMBED.to('meta').requires_grad_(), SLOTS.to('meta')
    memory._count_clusters._labels, memory._count_clusters._version = memory.labels, memory.labels._version
    with host_traffic() as counts:
        memory.loss(embed, slots).backward()
        memory.loss(embed[:0], slots[:0]).backward()
    assert not counts
    with host_traffic() as counts:
        memory.update(embed, slots)
    assert counts.total() == 1  # how often slots come up


def test_a_loop_over_the_samples_does_wait():
    embed, slots = EMBED.to('meta').requires_grad_(), SLOTS.to('meta')
    feats, labels = FEATS.to('meta'), LABELS.to('meta')
    with host_traffic() as counts:
        losses = []
        for x, slot in zip(embed, slots):
            logits = feats @ (x / x.norm())
            losses.append(logits.logsumexp(0) - logits[labels == int(labels[slot].cpu())].mean())
    assert counts == {'value': 2, 'to host': 2, 'nonzero': 2}  # a slot as an index, its label, a mask as an index


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_gives_the_numbers_of_the_cpu_without_waiting():
    memory, embed = small_memory(temperature=.5).cuda(), EMBED.cuda().requires_grad_()
    slots = SLOTS.cuda()
    memory.loss(embed, slots)
    torch.cuda.set_sync_debug_mode('error')
    try:
        loss = memory.loss(embed, slots)
        loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert loss.item() == pytest.approx(1.007418, abs=1e-5)


@pytest.mark.parametrize(('call', 'message'), [
    (lambda memory: memory.reset(torch.ones(2, 3)), r'feats must have shape \(N, 2\), got \(2, 3\); one row a slot'),
    (lambda memory: memory.reset(torch.tensor([[1., 0.], [float('nan'), 0.]])), 'got 1 rows that are not, first: 1'),
    (lambda memory: memory.reset(torch.ones(2, 2), torch.arange(3)), r'labels must have shape \(2,\), .* got \(3,\)'),
    (lambda memory: memory.set_labels(torch.tensor([0, 1])), r'labels must have shape \(6,\), one a slot, got \(2,\)'),
    (lambda memory: memory.set_labels(torch.tensor([0, 1, -1, 0, 1, 2])), 'labels must be >= 0, got -1; make outliers'),
    (lambda memory: memory.loss(EMBED, torch.tensor([0, 6])), r'slots must lie in 0...5, got 0...6; give the memory'),
    (lambda memory: memory.update(EMBED, torch.tensor([0, -1])), r'slots must lie in 0...5, got -1...0; give'),
    (lambda memory: memory.loss(EMBED, SLOTS[:1]), r'embed must have shape \(B, 2\) and slots \(B,\), got \(2, 2\)'),
    (lambda memory: InstanceMemory(0, 2).loss(EMBED, SLOTS), r'the memory has no rows yet, got 2 slots; fill it'),
    (lambda memory: InstanceMemory(-1, 2), 'num_slots must be >= 0, got -1; it is the number of annotated boxes'),
    (lambda memory: InstanceMemory(1, 2, top_percent=0), r'top_percent must lie in \(0, 1\], got 0; 1 keeps all'),
    (lambda memory: InstanceMemory(1, 2, eps=-1), 'eps must be >= 0, got -1; 0 is the plain log-softmax'),
    (lambda memory: InstanceMemory(1, 2, temperature=0), 'temperature must be positive, got 0')])
def test_input_that_does_not_fit(call, message):
    memory = small_memory()
    with pytest.raises(ValueError, match=message):
        call(memory)
    assert torch.equal(memory.feats, FEATS)
