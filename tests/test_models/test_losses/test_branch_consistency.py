"""Oracles: worked numbers, a loop over the rows and its gradient, and one process against two."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import branch_consistency_loss, branch_similarity_loss
from tests.processes import run_on_processes
from tests.test_models.host_traffic import host_traffic

P = torch.tensor([[1., 0.], [.8, .6], [0., 1.]])
Q = torch.tensor([[1., 0.], [1., 0.], [.6, .8]])


def test_o14_similarity():
    assert branch_similarity_loss(P, Q).item() == pytest.approx(.133333, abs=1e-5)
    assert branch_similarity_loss(P, P).item() == pytest.approx(0, abs=1e-6)


def test_o15_consistency():
    assert branch_consistency_loss(P, Q).item() == pytest.approx(.013592, abs=1e-6)
    assert .1 * branch_consistency_loss(P, Q).item() == pytest.approx(.00135919, abs=1e-8)
    assert branch_consistency_loss(P, Q, reduction='row').item() == pytest.approx(.040776, abs=1e-6)
    torch.testing.assert_close(branch_consistency_loss(Q, P), branch_consistency_loss(P, Q))
    assert branch_consistency_loss(P, P) == 0


def plain_losses(p: torch.Tensor, q: torch.Tensor) -> list[torch.Tensor]:
    """Similarity, consistency per element, consistency per row."""
    similarity, divergence = [], []
    for i in range(len(p)):
        similarity.append(1 - sum(a * b for a, b in zip(p[i], q[i])))
        a, b = (torch.stack([x[i] @ x[j] for j in range(len(x))]).exp() for x in (p, q))
        a, b = a / a.sum(), b / b.sum()
        divergence += [sum(b * (b / a).log()), sum(a * (a / b).log())]
    return [sum(similarity) / len(p), sum(divergence) / len(p)**2, sum(divergence) / len(p)]


def our_losses(p: torch.Tensor, q: torch.Tensor) -> list[torch.Tensor]:
    return [branch_similarity_loss(p, q), branch_consistency_loss(p, q), branch_consistency_loss(p, q, reduction='row')]


def random_rows(dtype: torch.dtype = torch.double) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(F.normalize(torch.randn(9, 4, generator=generator, dtype=dtype), dim=1) for _ in range(2))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_values_and_gradients_of_both_branches_of_a_loop(dtype):
    rows = [part.requires_grad_() for part in random_rows(dtype)]
    for ours, plain in zip(our_losses(*rows), plain_losses(*rows)):
        torch.testing.assert_close(ours, plain)
        grads = torch.autograd.grad(ours, rows)
        expected = torch.autograd.grad(plain, rows, retain_graph=True)
        for grad, other in zip(grads, expected):
            torch.testing.assert_close(grad, other)
            assert grad.abs().sum(dim=1).min() > 0


@pytest.mark.parametrize('index', range(3))
def test_gradcheck_and_half_precision(index):
    p, q = (part.requires_grad_() for part in random_rows())
    assert torch.autograd.gradcheck(lambda p, q: our_losses(p, q)[index], (p, q))
    p, q = p.detach().bfloat16(), q.detach().bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = our_losses(p, q)[index]
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, our_losses(p.float(), q.float())[index])


def test_no_rows_give_zero_with_a_graph():
    rows = torch.zeros(0, 4, requires_grad=True)
    for loss in our_losses(rows, rows):
        loss.backward()
        assert loss == 0
    assert rows.grad.shape == (0, 4)


def share(rank: int, world_size: int) -> list:
    results = []
    for sizes in ([6, 3], [0, 9]):
        p, q = (rows.split([9] if world_size == 1 else sizes)[rank].requires_grad_() for rows in random_rows())
        results += [(loss.detach(), torch.stack(torch.autograd.grad(loss, (p, q)))) for loss in our_losses(p, q)]
    return results


def test_two_processes_are_one():
    for (value, grads), *two in zip(share(0, 1), *run_on_processes(share, 2)):
        torch.testing.assert_close((two[0][0] + two[1][0]) / 2, value)
        torch.testing.assert_close(torch.cat([two[0][1], two[1][1]], dim=1) / 2, grads)


def test_nothing_waits_for_the_device():
    p, q = P.to('meta').requires_grad_(), Q.to('meta').requires_grad_()
    with host_traffic() as counts:
        sum(our_losses(p, q)).backward()
    assert not counts


@pytest.mark.parametrize(('call', 'message'), [
    (lambda: branch_similarity_loss(P, Q[:2]), r'one shape \(n, D\), got \(3, 2\) and \(2, 2\); pass the instance'),
    (lambda: branch_consistency_loss(P[0], Q[0]), r'one shape \(n, D\), got \(2,\) and \(2,\)'),
    (lambda: branch_consistency_loss(P, Q, reduction='sum'), "reduction must be one of element, row, got 'sum'")])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
