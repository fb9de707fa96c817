"""Oracle: the loss as the paper writes it, over pairs."""

import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import circle_logits


def plain_circle_loss(sims: list[float], label: int, scale: float, margin: float) -> float:
    """Eq. 5 and 6 with one positive: O_p = 1 + m, O_n = -m, Delta_p = 1 - m, Delta_n = m."""
    positive = math.exp(-scale * max(0, 1 + margin - sims[label]) * (sims[label] - (1 - margin)))
    negatives = sum(math.exp(scale * max(0, sim + margin) * (sim - margin))
                    for place, sim in enumerate(sims) if place != label)
    return math.log(1 + negatives * positive)


@pytest.mark.parametrize(('scale', 'margin'), [(64., .35), (4., .25), (16., 0.)])
def test_cross_entropy_is_the_paper_s_loss(scale, margin):
    sims = torch.rand(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    labels = torch.tensor([0, 1, 2, 3, 4, 0])
    found = F.cross_entropy(circle_logits(sims, labels, scale, margin), labels, reduction='none')
    expected = [plain_circle_loss(row, label, scale, margin) for row, label in zip(sims.tolist(), labels.tolist())]
    assert found.tolist() == pytest.approx(expected, rel=1e-9)


def test_weights_carry_no_gradient():
    sims = torch.tensor([[.5, .25, -.9]], requires_grad=True)
    circle_logits(sims, torch.tensor([0]), scale=4., margin=.25).sum().backward()
    assert sims.grad.tolist() == [[4 * .75, 4 * .5, 0.]]


def test_half_precision_is_computed_in_single():
    assert circle_logits(torch.ones(1, 2, dtype=torch.bfloat16), torch.tensor([0])).dtype == torch.float32


def test_labels_beyond_the_classes():
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.\.1, got 2\.\.\.2'):
        circle_logits(torch.zeros(1, 2), torch.tensor([2]))
