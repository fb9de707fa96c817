import math

import pytest
import torch

from pedsearch.models.losses import batch_hard_triplet_loss, euclidean_dist, weighted_triplet_loss
from pedsearch.models.losses.triplet import hardest_distances
from pedsearch.registry import MODELS
from tests.processes import run_on_processes

POINTS = torch.tensor([[0., 0.], [1., 0.], [0., 1.], [3., 0.], [3., 2.], [0., 3.]])
LABELS = torch.tensor([0, 0, 0, 1, 1, 1])


def test_distances_of_a_slow_loop_and_their_floor():
    x, y = torch.randn(4, 3), torch.randn(5, 3)
    slow = torch.tensor([[math.dist(a, b) for b in y.tolist()] for a in x.tolist()])
    torch.testing.assert_close(euclidean_dist(x, y), slow)
    same = torch.tensor([[3., 4.]], requires_grad=True)
    dist = euclidean_dist(same, same)
    assert dist.item() == pytest.approx(1e-6)
    dist.backward()
    assert same.grad.tolist() == [[0, 0]]


def test_t12_hardest_distances():
    same = LABELS[:, None] == LABELS
    d_ap, d_an = hardest_distances(euclidean_dist(POINTS, POINTS), same, ~same)
    torch.testing.assert_close(d_ap, torch.tensor([1, 1.414214, 1.414214, 4.242641, 3.162278, 4.242641]))
    torch.testing.assert_close(d_an, torch.tensor([3, 2, 2, 2, 2.828427, 2]))


@pytest.mark.parametrize(('margin', 'expected'), [(.3, .953189), (None, 1.095511), (0, 1.095511)])
def test_t12(margin, expected):
    loss = MODELS.build(dict(type='BatchHardTripletLoss', margin=margin))
    assert loss(POINTS, LABELS).item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(('include_self', 'stable', 'scale', 'expected'), [
    (True, True, 1, .757014), (False, True, 1, .790733), (True, True, 10, 8.019471),
    (True, False, 1, .757019), (True, False, 10, 25.744170),  # the released code, far out without negatives
])
def test_t13(include_self, stable, scale, expected):
    loss = MODELS.build(dict(type='WeightedTripletLoss', include_self=include_self, stable=stable))
    assert loss(scale * POINTS, LABELS).item() == pytest.approx(expected, abs=1e-5)


def slow_terms(feats: torch.Tensor, labels: torch.Tensor, include_self: bool) -> tuple[list, list]:
    """Soft batch-hard and weighted terms, one anchor after another."""
    hard, weighted = [], []
    for i in range(len(feats)):
        d = (feats - feats[i]).norm(dim=1)
        positive = d[[j for j in range(len(feats)) if labels[j] == labels[i] and (j != i or include_self)]]
        negative = d[labels != labels[i]]
        if not len(positive) or not len(negative):
            continue
        hard.append((1 + (positive.max() - negative.min()).exp()).log())
        d_ap = (positive.exp() * positive).sum() / positive.exp().sum()
        d_an = ((-negative).exp() * negative).sum() / (-negative).exp().sum()
        weighted.append((1 + (d_ap - d_an).exp()).log())
    return hard, weighted


@pytest.mark.parametrize('labels', [[0, 0, 1, 2, 2, 2, 5], [0, 1, 2, 3, 4, 5, 6]])
@pytest.mark.parametrize('include_self', [True, False])
def test_uneven_labels_equal_a_slow_loop(labels, include_self):
    feats, labels = torch.randn(7, 4, dtype=torch.double), torch.tensor(labels)
    hard, weighted = slow_terms(feats, labels, include_self)
    if include_self:
        torch.testing.assert_close(batch_hard_triplet_loss(feats, labels, None), sum(hard) / len(hard), atol=1e-6,
                                   rtol=1e-6)
    expected = sum(weighted) / len(weighted) if weighted else torch.zeros((), dtype=torch.double)
    torch.testing.assert_close(weighted_triplet_loss(feats, labels, include_self), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('loss', [batch_hard_triplet_loss, weighted_triplet_loss])
def test_one_identity_has_no_anchor_and_no_gradient(loss):
    feats = torch.randn(4, 3, requires_grad=True)
    value = loss(feats, torch.zeros(4, dtype=torch.long))
    value.backward()
    assert value == 0
    assert not feats.grad.any()


@pytest.mark.parametrize('loss', [batch_hard_triplet_loss, weighted_triplet_loss])
def test_gradients_and_half_precision(loss):
    torch.manual_seed(0)
    feats, labels = torch.randn(6, 3, dtype=torch.double, requires_grad=True), torch.tensor([0, 0, 1, 1, 2, 2])
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), feats)
    half = (10 + feats).detach().bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(half, labels)
    torch.testing.assert_close(value, loss(half.float(), labels))


def losses(feats: torch.Tensor, labels: torch.Tensor) -> list[torch.Tensor]:
    return [batch_hard_triplet_loss(feats, labels), batch_hard_triplet_loss(feats, labels, None),
            weighted_triplet_loss(feats, labels), weighted_triplet_loss(feats, labels, include_self=False)]


def share(rank: int, world_size: int) -> tuple[list, list]:
    feats = torch.randn(9, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 0, 1, 1, 2, 0, 0, 3, 3])  # both processes have label 0, in their first row too
    sizes = [9] if world_size == 1 else [6, 3]
    feats, labels = feats.split(sizes)[rank].requires_grad_(), labels.split(sizes)[rank]
    values = losses(feats, labels)
    return [value.detach() for value in values], [torch.autograd.grad(value, feats)[0] for value in values]


def test_two_processes_are_one():
    (values, grads), two = share(0, 1), run_on_processes(share, 2)
    for i, value in enumerate(values):
        torch.testing.assert_close(torch.stack([result[0][i] for result in two]).mean(), value)
        torch.testing.assert_close(torch.cat([result[1][i] for result in two]) / 2, grads[i])  # data parallel: mean


def test_bad_labels():
    with pytest.raises(ValueError, match='labels must be >= 0, got -1...0; leave unlabelled rows out'):
        batch_hard_triplet_loss(POINTS[:2], torch.tensor([0, -1]))
