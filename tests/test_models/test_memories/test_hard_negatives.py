"""Oracles: worked numbers and the order in double precision; the loops are in the test of the instance memory."""

import math

import pytest
import torch

from pedsearch.models.memories import hard_negative_terms, hardest_negatives


@pytest.mark.parametrize(('shares', 'kept'), [
    ([.5, .3, .15, .05], 1), ([.35, .3, .2, .15], 2), ([.7, .2, .1], 1), ([.45, .3, .25], 1), ([.25] * 4, 4)])
def test_o12_kept_negatives(shares, kept):
    for dtype in (torch.float32, torch.float64):
        logits = torch.tensor([[.5, *shares]], dtype=dtype).log().flip(1)
        mask = hardest_negatives(logits, torch.tensor([len(shares)]), .6)
        assert mask.flip(1).tolist() == [[False, *(i < kept for i in range(len(shares)))]]


def test_the_class_where_the_sum_is_nearest_is_never_dropped():
    logits, labels = 5 * torch.randn(2000, 40, generator=torch.Generator().manual_seed(0)), torch.zeros(2000).long()
    rows = logits[:, 1:].double()
    falling = rows.softmax(dim=1).sort(dim=1, descending=True)
    last = (falling.values.cumsum(dim=1) - .6).abs().argmin(dim=1, keepdim=True)
    boundary = 1 + falling.indices.gather(1, last)
    kept = hardest_negatives(logits, labels, .6)
    assert kept.gather(1, boundary).float().mean() > .998  # single precision decides near ties otherwise
    assert (kept.sum(dim=1) == last.squeeze(1) + 1).float().mean() > .998
    assert kept.any(dim=1).all()
    assert torch.equal(hardest_negatives(logits, labels, 1), torch.arange(40).expand(2000, 40) > 0)


@pytest.mark.parametrize('top_percent', [.6, 1])
def test_without_a_wrong_class_none_is_kept(top_percent):
    logits, labels = torch.tensor([[-torch.inf, 1., -torch.inf]]), torch.tensor([1])
    assert not hardest_negatives(logits, labels, top_percent).any()
    assert hard_negative_terms(logits, labels, top_percent, eps=0) == 0


def test_the_plain_log_softmax_is_not_capped():
    logits, labels = torch.tensor([[0., 50., 49.]]), torch.tensor([0])
    assert hard_negative_terms(logits, labels, eps=0).item() == pytest.approx(50, abs=1e-4)
    assert hard_negative_terms(logits, labels).item() == pytest.approx(-math.log(1e-6), abs=1e-4)
