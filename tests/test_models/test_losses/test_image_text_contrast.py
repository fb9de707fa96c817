"""Oracles: values that were computed by hand in double precision, and invariances."""

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import (
    distribution_matching,
    matching_cross_entropy,
    project_on_partner,
    projection_matching,
    share_key,
)

SIMS = torch.tensor([[.9, .1, .3], [.2, .8, .4], [.5, 0, .7]], dtype=torch.double)
TEACHER = torch.tensor([[.7, .3, .1], [.1, .9, .2], [.3, .2, .6]], dtype=torch.double)
IDS = torch.tensor([7, 7, 9])


def both_ways(sims, positives, temperature, teacher=None, alpha=0.):
    turned = None if teacher is None else teacher.T
    to_text = matching_cross_entropy(sims, positives, temperature, teacher, alpha).mean()
    to_image = matching_cross_entropy(sims.T, positives.T, temperature, turned, alpha).mean()
    return [round(value.item(), 10) for value in (to_text, to_image, (to_text + to_image) / 2)]


def pairs(num: int) -> torch.Tensor:
    return torch.eye(num, dtype=torch.bool)


def test_two_pairs():  # O1
    sims = torch.tensor([[1, .6], [0, .8]], dtype=torch.double)
    torch.testing.assert_close(matching_cross_entropy(sims, pairs(2), .5),
                               torch.tensor([.3711006659, .1839007409], dtype=torch.double))
    assert both_ways(sims, pairs(2), .5) == pytest.approx([.2775007034, .3199716317, .2987361676], abs=1e-9)
    assert both_ways(sims, pairs(2), .07)[2] == pytest.approx(.0147871239, abs=1e-9)
    assert both_ways(sims, pairs(2), .02)[2] == pytest.approx(1.135024e-5, abs=1e-9)


@pytest.mark.parametrize(('temperature', 'expected'), [
    (.1, (.0503740910, .0287251596, .0395496253)), (.2, (.1902758396, .1689689702, .1796224049))])
def test_three_pairs(temperature, expected):  # O2
    assert both_ways(SIMS, pairs(3), temperature) == pytest.approx(expected, abs=1e-9)


def test_gradient():  # O3
    sims = SIMS.clone().requires_grad_()
    loss = sum(matching_cross_entropy(part, pairs(3), .2).mean() for part in (sims, sims.T)) / 2
    loss.backward()
    expected = [[-.1714863646, .0382900202, .1218635589], [.0565989340, -.1687280565, .2320390225],
                [.3160391903, .0325561949, -.4571724998]]
    torch.testing.assert_close(sims.grad, torch.tensor(expected, dtype=torch.double), atol=1e-9, rtol=0)
    assert sims.grad.sum().item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(('num', 'temperature', 'expected'), [
    (4, .5, .3407529539), (4, .1, 1.3619051e-4), (256, .07, 1.5933042e-4)])
def test_orthonormal_pairs(num, temperature, expected):  # O4
    loss = both_ways(torch.eye(num, dtype=torch.double), pairs(num), temperature)[2]
    assert loss == pytest.approx(expected, rel=1e-6)


def test_equal_similarities_give_the_logarithm_of_their_number():  # O4
    assert both_ways(torch.full((4, 4), .3, dtype=torch.double), pairs(4), .5)[2] == pytest.approx(1.3862943611)


@pytest.mark.parametrize(('temperature', 'expected'), [
    (.1, (2.3837074243, 2.3620584930, 2.3728829586)), (.2, (1.3569425063, 1.3356356369, 1.3462890716))])
def test_several_positives(temperature, expected):  # O5
    positives = share_key(IDS[:, None], IDS[:, None])
    assert both_ways(SIMS, positives, temperature) == pytest.approx(expected, abs=1e-9)


def test_momentum_distillation():  # O6
    assert both_ways(SIMS, pairs(3), .1, TEACHER, .4) == pytest.approx([.1006438380, .0544888904, .0775663642],
                                                                      abs=1e-9)
    assert both_ways(SIMS, pairs(3), .1, TEACHER, 0.) == both_ways(SIMS, pairs(3), .1)


def test_queues():  # O7
    images, texts = (torch.tensor(rows, dtype=torch.double) for rows in ([[1, 0], [.6, .8]], [[.8, .6], [0, 1]]))
    old_texts, old_images = (torch.tensor(rows, dtype=torch.double)
                             for rows in ([[-.6, .8], [1, 0]], [[0, -1], [.8, -.6]]))
    positives = torch.eye(2, 4, dtype=torch.bool)
    to_text = matching_cross_entropy(images @ torch.cat([texts, old_texts]).T, positives, .2)
    to_image = matching_cross_entropy(texts @ torch.cat([images, old_images]).T, positives, .2)
    torch.testing.assert_close(to_text, torch.tensor([1.31841944, 1.29956311], dtype=torch.double), atol=1e-8, rtol=0)
    torch.testing.assert_close(to_image, torch.tensor([1.19414256, .01916608], dtype=torch.double), atol=1e-8, rtol=0)
    assert both_ways(images @ texts.T, pairs(2), .2) == pytest.approx([.5946252969] * 3, abs=1e-9)


def test_keys_of_several_kinds():
    image_and_group = torch.tensor([[0, 3], [1, 3], [1, -1], [2, -1]])
    expected = [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert share_key(image_and_group, image_and_group).int().tolist() == expected


def test_temperature_gets_a_gradient_and_the_teacher_none():
    temperature = torch.tensor(.1, dtype=torch.double, requires_grad=True)
    teacher = TEACHER.clone().requires_grad_()
    matching_cross_entropy(SIMS, pairs(3), temperature, teacher, .4).mean().backward()
    targets = .4 * (TEACHER / .1).softmax(1) + .6 * torch.eye(3)
    moved = [-(targets * (SIMS / value).log_softmax(1)).sum(1).mean() for value in (.1 + 1e-6, .1 - 1e-6)]
    assert temperature.grad.item() == pytest.approx(((moved[0] - moved[1]) / 2e-6).item(), rel=1e-5)
    assert teacher.grad is None


def test_invariances():  # O28 b, e
    generator = torch.Generator().manual_seed(0)
    sims = torch.rand(6, 6, generator=generator, dtype=torch.double)
    order = torch.randperm(6, generator=generator)
    loss = both_ways(sims, pairs(6), .1)
    assert both_ways(sims[order][:, order], pairs(6), .1) == pytest.approx(loss)
    assert both_ways(sims + 5, pairs(6), .1) == pytest.approx(loss)
    assert both_ways(sims.T, pairs(6), .1)[2] == pytest.approx(loss[2])  # c


@pytest.mark.parametrize(('ids', 'temperature', 'expected'), [
    ((0, 1, 2), .1, (.7123189960, .3877193661)), ((7, 7, 9), .1, (1.1527363064, .8345023672))])
def test_distribution_matching(ids, temperature, expected):  # O24
    keys = torch.tensor(ids)[:, None]
    positives = share_key(keys, keys)
    found = [distribution_matching(sims, positives, temperature).mean().item() for sims in (SIMS, SIMS.T)]
    assert found == pytest.approx(expected, abs=1e-8)


def test_distribution_matching_of_a_low_temperature():  # O24
    found = sum(distribution_matching(sims, pairs(3), .02).mean().item() for sims in (SIMS, SIMS.T))
    assert found == pytest.approx(1.1251553e-4, abs=1e-9)


def test_projection_matching_equals_a_loop():
    generator = torch.Generator().manual_seed(0)
    source, target = (torch.randn(4, 5, generator=generator, dtype=torch.double) for _ in range(2))
    keys = torch.tensor([0, 0, 1, 2])[:, None]
    positives = share_key(keys, keys)
    for row in range(4):
        logits = torch.stack([source[row] @ other / other.norm() for other in target])
        targets = positives[row].double() / positives[row].double().norm()
        probs = logits.exp() / logits.exp().sum()
        expected = sum(p * (p / (t + 1e-8)).log() for p, t in zip(probs, targets))
        assert projection_matching(source, target, positives)[row].item() == pytest.approx(expected.item())


def test_projection_on_the_partner_is_parallel_to_it():
    feats, partner = torch.tensor([[3., 4.]]), torch.tensor([[0., 2.]])
    torch.testing.assert_close(project_on_partner(feats, partner), torch.tensor([[0., 4.]]))
    rest = feats - project_on_partner(feats, partner)
    assert F.cosine_similarity(rest, partner).item() == pytest.approx(0)


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r'sims and positives must have one shape \(B, N\), got \(3, 3\) and \(2, 2\)'):
        matching_cross_entropy(SIMS, pairs(2), .1)
    with pytest.raises(ValueError, match='source, target and positives must have shapes'):
        projection_matching(SIMS, SIMS, pairs(2))
    with pytest.raises(ValueError, match=r'keys must have shapes \(B, K\) and \(N, K\)'):
        share_key(IDS, IDS)
