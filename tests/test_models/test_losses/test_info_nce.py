"""Oracles: worked numbers and a plain formula."""

import math

import pytest
import torch

from pedsearch.models.losses import info_nce


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
