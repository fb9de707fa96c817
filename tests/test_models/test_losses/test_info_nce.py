"""Oracles: worked numbers and a plain formula."""

import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import info_nce, nt_xent
from tests.processes import run_on_processes


@pytest.mark.parametrize(('positive', 'negatives', 'temperature', 'loss'), [
    (.8, [.5, .2], 1., .82839017), (.8, [.5, .2], .04, 5.53237e-4), (.8, [.76, .72], .04, .407605964),
    (.3, [.3], .04, math.log(2)), (.3, [.3] * 8192, .04, 9.011035410), (.3, [], .04, 0.),
])
def test_worked_numbers(positive, negatives, temperature, loss):  # T27
    found = info_nce(torch.tensor([positive], dtype=torch.float64), torch.tensor([negatives], dtype=torch.float64),
                     temperature)
    assert found.item() == pytest.approx(loss, rel=1e-5)


def test_value_and_gradient_of_the_formula_where_some_negatives_do_not_count():
    generator = torch.Generator().manual_seed(0)
    positive = torch.rand(5, generator=generator, dtype=torch.float64).requires_grad_()
    negatives = torch.rand(5, 9, generator=generator, dtype=torch.float64).requires_grad_()
    keep = torch.rand(5, 9, generator=generator) < .5
    keep[0] = False
    top = (positive / .1).exp()
    expected = -(top / (top + ((negatives / .1).exp() * keep).sum(dim=1))).log()
    found = info_nce(positive, negatives, .1, keep)
    torch.testing.assert_close(found, expected)
    for got, wanted in zip(torch.autograd.grad(found.sum(), [positive, negatives]),
                           torch.autograd.grad(expected.sum(), [positive, negatives])):
        torch.testing.assert_close(got, wanted)
        assert got.isfinite().all()


def test_half_precision_is_computed_in_single():
    half = info_nce(torch.ones(1, dtype=torch.bfloat16), torch.ones(1, 4, dtype=torch.bfloat16), .04)
    assert half.dtype == torch.float32


def views(num: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [F.normalize(torch.randn(num, 4, generator=generator, dtype=torch.float64), dim=1) for _ in range(2)]


def test_two_views_of_a_batch_worked_out():  # O33
    z = torch.tensor([[1., 0], [0, 1], [.8, .6], [.6, .8]], dtype=torch.float64)
    assert nt_xent(z[:2], z[2:], .5).item() == pytest.approx(.8707137571, abs=1e-9)
    assert nt_xent(z[:1], z[2:3], .5) == 0


def test_two_views_of_a_batch_equal_a_slow_loop():
    first, second = views()
    z, num = torch.cat([first, second]).tolist(), len(first)
    total = 0.
    for i, row in enumerate(z):
        powers = [math.exp(sum(a * b for a, b in zip(row, other)) / .2) for other in z]
        total -= math.log(powers[(i + num) % (2 * num)] / (sum(powers) - powers[i]))
    assert nt_xent(first, second, .2).item() == pytest.approx(total / (2 * num), rel=1e-9)
    order = torch.tensor([3, 1, 0, 5, 2, 4])
    torch.testing.assert_close(nt_xent(second[order], first[order], .2), nt_xent(first, second, .2))


def loss_and_gradient(rank: int, world_size: int) -> tuple[float, torch.Tensor]:
    """Of this process' rows; data parallel training averages both."""
    first, second = (view.chunk(world_size)[rank].clone().requires_grad_() for view in views())
    loss = nt_xent(first, second, .2)
    loss.backward()
    return loss.item(), torch.cat([first.grad, second.grad])


def test_two_views_of_a_batch_on_two_processes():
    first, second = (view.requires_grad_() for view in views())
    whole = nt_xent(first, second, .2)
    whole.backward()
    parts = run_on_processes(loss_and_gradient, 2)
    assert sum(loss for loss, _ in parts) / 2 == pytest.approx(whole.item(), rel=1e-6)
    for place, wanted in enumerate((first.grad, second.grad)):
        torch.testing.assert_close(torch.cat([grad.chunk(2)[place] for _, grad in parts]) / 2, wanted, atol=1e-6,
                                   rtol=1e-4)


def test_two_views_must_have_one_shape():
    with pytest.raises(ValueError, match=r'both views must have one shape \(B, D\), got \(2, 4\) and \(3, 4\)'):
        nt_xent(torch.zeros(2, 4), torch.zeros(3, 4), .1)
