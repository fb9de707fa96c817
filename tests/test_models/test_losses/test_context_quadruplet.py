"""Oracles: worked numbers, a loop over the anchors and its gradient, and one process against two."""

import pytest
import torch

from pedsearch.models.losses import context_quadruplet_loss
from pedsearch.registry import MODELS
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

EMBED = torch.tensor([[1., 0.], [.8, .6], [0., 1.], [0., -1.]])
LABELS = torch.tensor([5, 5, 9, -2])


def test_o13():
    assert context_quadruplet_loss(EMBED, LABELS).item() == pytest.approx(.037676, abs=1e-5)
    assert context_quadruplet_loss(EMBED, LABELS, background_weight=0).item() == pytest.approx(.012676, abs=1e-5)
    embed = torch.cat([EMBED[:3], torch.tensor([[.6, .8]]), EMBED[3:], torch.tensor([[-1., 0.]])])
    labels = torch.tensor([5, 5, 9, 9, -2, -2])
    assert context_quadruplet_loss(embed, labels).item() == pytest.approx(.381321, abs=1e-5)
    assert context_quadruplet_loss(embed, labels, background_weight=0).item() == pytest.approx(.343821, abs=1e-5)
    module = MODELS.build(dict(type='ContextQuadrupletLoss', background_weight=1.))
    assert module(embed, labels).item() == pytest.approx(.343821 + .15, abs=1e-5)


def plain_loss(embed: torch.Tensor, labels: list, margin: float, weight: float, skip: bool) -> torch.Tensor:
    """One anchor after another, one distance after another."""

    def distance(i: int, j: int) -> torch.Tensor:
        return (embed[i] - embed[j]).square().sum().clamp(min=1e-12).sqrt()

    people = [i for i, label in enumerate(labels) if label >= 0]
    background = [i for i, label in enumerate(labels) if label < 0]
    first, second, zero = [], [], embed.sum() * 0
    if skip and len({labels[i] for i in people}) < 2:
        return zero
    for i in people:
        same = [distance(i, j) for j in people if labels[j] == labels[i]]
        other = [distance(i, j) for j in people if labels[j] != labels[i]]
        if other:
            first.append((max(same) - min(other) + margin).clamp(min=0))
        if background:
            second.append((max(distance(i, j) for j in people) - min(distance(i, j) for j in background) + margin)
                          .clamp(min=0))
    return sum(first, zero) / max(len(first), 1) + weight * sum(second, zero) / max(len(second), 1)


BATCHES = [
    [0, 0, 1, -2, 2, 2, -1, 2, 5, -2],  # singletons
    [3, 3, 3, -2, -2, 3, 3, 3, 3, 3],  # one label
    [3, 0, 0, 3, 1, 1, 2, 2, 2, 2],  # no background
    [-2, -1, -2, -1, -7, -1, -1, -1, -1, -1],  # nobody
    [8, -2, -2, -2, -2, -2, -2, -2, -2, -2]]  # one person


@pytest.mark.parametrize('labels', BATCHES)
@pytest.mark.parametrize('skip', [True, False])
@pytest.mark.parametrize('margin', [.3, 2.])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_value_and_gradient_of_a_loop(labels, skip, margin, dtype):
    embed = torch.randn(10, 4, generator=torch.Generator().manual_seed(0), dtype=dtype, requires_grad=True)
    loss = context_quadruplet_loss(embed, torch.tensor(labels), margin=margin, background_weight=.7,
                                   skip_single_label=skip)
    plain = plain_loss(embed, labels, margin, .7, skip)
    tolerance = dict(atol=1e-5, rtol=1e-5) if dtype == torch.float32 else dict(atol=1e-7, rtol=1e-7)
    torch.testing.assert_close(loss, plain, **tolerance)
    torch.testing.assert_close(*torch.autograd.grad(loss, embed), *torch.autograd.grad(plain, embed), **tolerance)


def test_gradcheck_and_half_precision():
    embed = torch.randn(10, 4, generator=torch.Generator().manual_seed(0), dtype=torch.double, requires_grad=True)
    labels = torch.tensor(BATCHES[0])
    assert torch.autograd.gradcheck(lambda x: context_quadruplet_loss(x, labels), embed)
    half = (10 + embed).detach().bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = context_quadruplet_loss(half, labels)
    torch.testing.assert_close(loss, context_quadruplet_loss(half.float(), labels))


def test_equal_rows_have_finite_gradients():
    embed = torch.ones(4, 3, requires_grad=True)
    loss = context_quadruplet_loss(embed, torch.tensor([0, 0, 1, -2]))
    loss.backward()
    assert loss.item() == pytest.approx(.3 + .25 * .3)
    assert not embed.grad.any()


def test_no_rows_give_zero_with_a_graph():
    embed = torch.zeros(0, 4, requires_grad=True)
    loss = context_quadruplet_loss(embed, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert embed.grad.shape == (0, 4)


SIZES = [[6, 4], [10, 0], [3, 7], [2, 8]]  # of the last labels the first process has one only


def share(rank: int, world_size: int) -> list:
    results = []
    for labels, sizes in zip([*BATCHES[:3], [0, 0, 1, 1, 2, -2, 0, -2, 2, 3]], SIZES):
        embed = torch.randn(10, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1))
        sizes = [10] if world_size == 1 else sizes
        embed, labels = embed.split(sizes)[rank].requires_grad_(), torch.tensor(labels).split(sizes)[rank]
        for skip in (True, False):
            loss = context_quadruplet_loss(embed, labels, skip_single_label=skip)
            results.append((loss.detach(), *torch.autograd.grad(loss, embed)))
    return results


def test_two_processes_are_one():
    for (value, grad), *two in zip(share(0, 1), *run_on_processes(share, 2)):
        torch.testing.assert_close((two[0][0] + two[1][0]) / 2, value)
        torch.testing.assert_close(torch.cat([two[0][1], two[1][1]]) / 2, grad)


def test_nothing_waits_for_the_device():
    embed, labels = EMBED.to('meta').requires_grad_(), LABELS.to('meta')
    with host_traffic() as counts:
        context_quadruplet_loss(embed, labels).backward()
    assert not counts
    with host_traffic() as counts:
        people = [i for i in range(4) if labels[i].cpu() >= 0]
    assert people == [0, 1, 2, 3]
    assert counts == {'to host': 4}


@pytest.mark.parametrize(('embed', 'labels', 'error', 'message'), [
    (EMBED, LABELS[:3], ValueError, r'must have shape \(R, D\) and labels \(R,\), got \(4, 2\) and \(3,\); give backgr'),
    (EMBED[0], LABELS[:2], ValueError, r'got \(2,\) and \(2,\)'),
    (EMBED, LABELS.float(), TypeError, 'labels must be integers, got torch.float32; they are cluster numbers')])
def test_bad_input(embed, labels, error, message):
    with pytest.raises(error, match=message):
        context_quadruplet_loss(embed, labels)
