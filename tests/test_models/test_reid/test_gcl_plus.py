"""Oracles: statistics of the Beta distribution, worked numbers, and plain formulas."""

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import beta

from pedsearch.models.memories import cluster_means
from pedsearch.models.reid import GCLPlusHead
from pedsearch.models.reid.gcl_plus import DMixup
from tests.processes import run_on_processes

from .gcl_batches import batch, generated, optimizers, small_gcl


def test_proportions_are_those_of_a_folded_beta():  # T32
    weights = DMixup().weights(torch.arange(200_000))
    assert weights.min() >= .5
    assert weights.max() <= 1
    assert weights.mean().item() == pytest.approx(.800, abs=.002)
    assert weights.median().item() == pytest.approx(.824, abs=.004)
    assert (weights > .9).float().mean().item() == pytest.approx(.352, abs=.005)
    free = DMixup(alpha=2., one_sided=False).weights(torch.arange(200_000))
    for share in (.1, .4, .9):
        assert (free < share).float().mean().item() == pytest.approx(beta(2, 2).cdf(share), abs=.005)


def test_one_proportion_for_a_batch():
    weights = DMixup(per_sample=False).weights(torch.tensor([5, 6, 7]))
    assert weights.tolist() == [DMixup().weights(torch.tensor([5])).item()] * 3


def weights_of(rank: int, world_size: int) -> torch.Tensor:
    return DMixup(per_sample=False).weights(torch.arange(4).chunk(world_size)[rank])


def test_processes_agree_on_the_proportion_of_a_batch():
    expected = DMixup(per_sample=False).weights(torch.arange(4))[:2]
    for weights in run_on_processes(weights_of, 2):
        assert torch.equal(weights, expected)


def test_partners():
    assert DMixup().partners(torch.zeros(5, dtype=torch.long)).tolist() == [1, 0, 3, 2, 4]
    orders = [DMixup(partner='permutation').partners(torch.tensor([seed, 0, 0, 0])) for seed in range(200)]
    assert all(sorted(order.tolist()) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 24


def test_mixed_pictures_are_painted_from_mixed_codes():
    model = small_gcl('GCLPlus')
    views, samples = generated(model, batch())
    partners, weights = model._mixing(samples, torch.device('cpu'))
    for i in range(4):
        code = weights[i] * views.codes[i] + (1 - weights[i]) * views.codes[partners[i]]
        expected = model.generator.decode(code[None], views.structure[i][None])
        torch.testing.assert_close(views.others[0][i], expected[0], rtol=1e-4, atol=1e-4)
    assert len(views.fakes()) == 4


@pytest.mark.parametrize('same', ['weight', 'partner'])
def test_nothing_mixed_is_the_rebuilt_photo(same):  # T32
    model = small_gcl('GCLPlus')
    views, _ = generated(model, batch())
    weights = torch.ones(4) if same == 'weight' else torch.full((4, ), .6)
    partners = torch.arange(4) if same == 'partner' else torch.tensor([1, 0, 3, 2])
    mixed = model.mix(views.codes, views.structure, partners, weights)
    torch.testing.assert_close(mixed, views.rebuilt, rtol=1e-4, atol=1e-4)


def test_worked_example_of_the_prototype_losses():  # T33
    head = GCLPlusHead(2, prototypes=dict(type='Prototypes', logits='raw'))
    head.prototypes.reset(torch.tensor([[1., 0.], [0., 1.], [-.6, -.8]]))
    feat = torch.tensor([[3., 4.]])
    losses = head.prototype_losses(feat.expand(2, 2), feat.expand(2, 2), torch.tensor([1, 0]), torch.tensor([1, 0]),
                                   torch.tensor([.7, .3]))
    assert losses['loss_mixup'].item() == pytest.approx(.613352, abs=1e-6)
    alone = head.prototype_losses(feat, feat, torch.tensor([1]), torch.tensor([0]), torch.ones(1))
    assert alone['loss_prototype'].item() == pytest.approx(.313352, abs=1e-6)
    assert alone['loss_mixup'].item() == pytest.approx(.313352, abs=1e-6)  # soft targets of one person are hard


def test_losses_of_a_joint_step():
    model = small_gcl('GCLPlus', loss_weights=dict(prototype=3.))
    views, samples = generated(model, batch())
    losses = model.painting_losses(views) | model.contrast_losses(views, samples)
    partners, weights = model._mixing(samples, torch.device('cpu'))
    labels = torch.tensor([sample.label for sample in samples])
    centres = F.normalize(cluster_means(model.head.memory_feats(), model.head.memory.labels), dim=1)
    with torch.no_grad():
        logits = F.normalize(model.encode(views.others[0])[1], dim=1) @ centres.T / .04
    target = torch.zeros_like(logits)
    for i in range(4):
        target[i, labels[i]] += weights[i]
        target[i, labels[partners[i]]] += 1 - weights[i]
    torch.testing.assert_close(target.sum(dim=1), torch.ones(4))
    torch.testing.assert_close(losses['loss_mixup'], 3 * F.cross_entropy(logits, target), rtol=1e-4, atol=1e-4)
    judged = sum(2 * sum((score - 1).square().mean() for score in model.discriminator(fake))
                 for fake in views.fakes())
    torch.testing.assert_close(losses['loss_adversarial'], judged)
    assert {'loss_prototype', 'loss_view', 'loss_turned', 'loss_turned_positive'} <= set(losses)


def test_steps_of_both_stages():
    for stage in ('warmup', 'joint'):
        model = small_gcl('GCLPlus', stage=stage)
        log = model.train_step(batch(), optimizers(model))
        assert all(torch.isfinite(value) for value in log.values())
        assert ('loss_mixup' in log) == (stage == 'joint')


def test_prototypes_stay_while_the_memory_moves():
    model = small_gcl('GCLPlus')
    before = model.head.prototypes.centroids.clone()
    model.train_step(batch(), optimizers(model))
    model.head.update_memory()
    assert torch.equal(model.head.prototypes.centroids, before)
    model.head.reset_memory(model.head.memory_feats(), model.head.memory.labels)
    assert not torch.equal(model.head.prototypes.centroids, before)


def test_settings_out_of_range_are_errors():
    with pytest.raises(ValueError, match="mixup needs alpha > 0 and partner 'neighbour' or 'permutation'"):
        DMixup(alpha=0)
    with pytest.raises(ValueError, match="mixup needs alpha > 0 and partner 'neighbour' or 'permutation'"):
        DMixup(partner='any')
