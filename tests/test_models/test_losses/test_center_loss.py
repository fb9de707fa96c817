import pytest
import torch

from pedsearch.models.losses import CenterLoss
from pedsearch.registry import MODELS
from tests.processes import run_on_processes

FEATS = torch.tensor([[1., 0.], [0., 2.], [2., 3.]])
LABELS = torch.tensor([0, 0, 1])


def test_t15():
    loss = MODELS.build(dict(type='CenterLoss', num_classes=2, embed_dims=2))
    loss.centers.copy_(torch.tensor([[0., 0.], [2., 2.]]))
    assert loss(FEATS, LABELS).item() == 2
    loss.update(FEATS, LABELS)
    torch.testing.assert_close(loss.centers, torch.tensor([[1 / 3, 2 / 3], [2, 7 / 3]]))


def test_update_is_sgd_on_the_unweighted_loss():
    ours = CenterLoss(num_classes=5, embed_dims=4)
    theirs = torch.nn.Parameter(ours.centers.clone())
    sgd = torch.optim.SGD([theirs], lr=.5)
    for _ in range(3):
        feats, labels = torch.randn(9, 4), torch.randint(5, (9, ))
        weighted = 5e-4 * (feats - theirs[labels]).square().sum() / 9
        torch.testing.assert_close(5e-4 * ours(feats, labels), weighted.detach())
        sgd.zero_grad()
        weighted.backward()
        theirs.grad /= 5e-4
        sgd.step()
        ours.update(feats, labels)
        torch.testing.assert_close(ours.centers, theirs.detach())


def test_gradient_goes_to_the_features_and_is_that_of_the_old_centers():
    loss, feats = CenterLoss(num_classes=2, embed_dims=2), FEATS.clone().requires_grad_()
    expected = 2 / 3 * (FEATS - loss.centers[LABELS])
    value = loss(feats, LABELS)
    loss.update(feats, LABELS)
    value.backward()
    torch.testing.assert_close(feats.grad, expected)
    assert not list(loss.parameters())
    assert list(loss.state_dict()) == ['centers']


def test_centers_start_standard_normal_and_alike():
    torch.manual_seed(1)
    centers = CenterLoss(num_classes=100, embed_dims=100).centers
    assert torch.equal(centers, CenterLoss(num_classes=100, embed_dims=100).centers)
    assert centers.mean().item() == pytest.approx(0, abs=.04)
    assert centers.std().item() == pytest.approx(1, abs=.04)


def test_half_precision():
    loss = CenterLoss(num_classes=2, embed_dims=2)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = loss(FEATS.bfloat16(), LABELS)
    torch.testing.assert_close(value, loss(FEATS, LABELS))


def share(rank: int, world_size: int) -> tuple[torch.Tensor, torch.Tensor]:
    loss = CenterLoss(num_classes=2, embed_dims=2)
    sizes = [3] if world_size == 1 else [1, 2]
    feats, labels = FEATS.split(sizes)[rank], LABELS.split(sizes)[rank]
    value = loss(feats, labels)
    loss.update(feats, labels)
    return value, loss.centers


def test_two_processes_are_one():
    (value, centers), two = share(0, 1), run_on_processes(share, 2)
    torch.testing.assert_close(torch.stack([result[0] for result in two]).mean(), value)
    for result in two:
        torch.testing.assert_close(result[1], centers)


def test_bad_input():
    with pytest.raises(ValueError, match='num_classes >= 1 and embed_dims >= 1, got 0 and 2; take num_classes from'):
        CenterLoss(num_classes=0, embed_dims=2)
    loss = CenterLoss(num_classes=2, embed_dims=3)
    with pytest.raises(ValueError, match=r'feats must have shape \(B, 3\), got \(3, 2\); set embed_dims'):
        loss(FEATS, LABELS)
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.\.1, got 2\.\.\.2'):
        loss.update(torch.randn(1, 3), torch.tensor([2]))
