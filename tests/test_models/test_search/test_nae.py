import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search.nae import NormAwareEmbedding

C4 = torch.tensor([[1., 2], [3, -1], [0, 1], [2, 2]])
C5 = torch.tensor([[1., 0, 1], [0, 2, 1], [1, 1, 0], [-1, 0, 2]])
NORMS = torch.tensor([.572033, 2.334871, 2.610360, 3.550635])


def worked_example() -> NormAwareEmbedding:
    module = NormAwareEmbedding((2, 3), embed_dims=4)
    with torch.no_grad():
        (fc4, bn4), (fc5, bn5) = module.projectors
        fc4.weight.copy_(torch.eye(2))
        bn4.weight.copy_(torch.tensor([1., .5]))
        bn4.bias.copy_(torch.tensor([.1, 0]))
        fc5.weight.copy_(torch.tensor([[1., 1, 0], [0, 0, 2]]))
        bn5.weight.copy_(torch.tensor([2., 1]))
        bn5.bias.copy_(torch.tensor([0, -.2]))
        module.rescaler.weight.fill_(1.5)
        module.rescaler.bias.fill_(-.3)
    return module


def test_training_mode_of_worked_example():
    module = worked_example()
    embeds, logits = module((C4, C5))
    expected = torch.tensor([[-.347212, .408247, 0, -.2], [1.441635, -.816494, 1.632988, -.2],
                             [-1.241635, 0, 1.632988, -1.614210], [.547212, .408247, -3.265975, 1.214210]])
    torch.testing.assert_close(embeds, expected / NORMS[:, None], atol=1e-5, rtol=0)
    torch.testing.assert_close(embeds[0], torch.tensor([-.606979, .713677, 0, -.349630]), atol=1e-5, rtol=0)
    torch.testing.assert_close(logits, torch.tensor([-2.659764, -.205472, .178075, 1.487161]), atol=1e-5, rtol=0)
    loss = F.binary_cross_entropy_with_logits(logits, torch.tensor([1., 1, 0, 0]))
    assert loss.item() == pytest.approx(1.501403, abs=1e-5)
    assert module.rescaler.running_mean.item() == pytest.approx(.226697, abs=1e-5)
    assert module.rescaler.running_var.item() == pytest.approx(1.054771, abs=1e-5)


def test_bias_before_batch_norm_changes_nothing():
    plain, biased = worked_example(), worked_example()
    with torch.no_grad():
        biased.projectors[0][0].bias.fill_(3.)
        biased.projectors[1][0].bias.fill_(-2.)
    for a, b in zip(plain((C4, C5)), biased((C4, C5))):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_test_mode_of_worked_example():
    module = worked_example()
    for project in module.projectors:  # keep the batch's statistics, so that the norms are those of training
        features = C4 if project is module.projectors[0] else C5
        project.train()
        project[1].momentum = 1.
        project(features)
        project[1].running_var.mul_(3 / 4)  # the running variance is unbiased, the batch's is not
    module.rescaler.running_mean.fill_(1.5)
    module.rescaler.running_var.fill_(.25)
    embeds, logits = module.eval()((C4, C5))
    torch.testing.assert_close(logits, torch.tensor([-3.083846, 2.204564, 3.031015, 5.851782]), atol=1e-4, rtol=0)
    scores = logits.sigmoid()
    torch.testing.assert_close(scores, torch.tensor([.043779, .900659, .953956, .997133]), atol=1e-5, rtol=0)
    weighted = embeds[0] * scores[0]
    torch.testing.assert_close(weighted, torch.tensor([-.026573, .031244, 0, -.015306]), atol=1e-5, rtol=0)
    assert weighted.norm().item() == pytest.approx(.043779, abs=1e-5)


def test_equal_norms_give_the_shift_as_logit():
    module = NormAwareEmbedding((2, 2), embed_dims=4)
    embeds, logits = module((torch.ones(3, 2), torch.ones(3, 2)))
    torch.testing.assert_close(logits, torch.zeros(3))


def test_scaled_features_keep_the_angle():
    module = NormAwareEmbedding((2, 3), embed_dims=4).eval()
    (a, logit_a), (b, logit_b) = module((C4, C5)), module((2 * C4, 2 * C5))
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    assert (logit_a != logit_b).all()


def test_one_region_in_training_mode():
    embeds, logits = NormAwareEmbedding((2, 3), embed_dims=4)((C4[:1], C5[:1]))
    assert torch.isfinite(embeds).all()
    assert torch.isfinite(logits).all()


def test_autocast_computes_in_fp32():
    module = worked_example()
    plain = worked_example()((C4, C5))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = module((C4.bfloat16(), C5.bfloat16()))
    assert mixed[0].dtype == mixed[1].dtype == torch.float32
    torch.testing.assert_close(mixed[0], plain[0], atol=1e-5, rtol=0)
