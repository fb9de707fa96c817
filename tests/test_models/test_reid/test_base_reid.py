import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pedsearch.models.layers import CrossProcessBatchNorm2d
from pedsearch.models.reid.base_reid import labels_of
from pedsearch.registry import MODELS
from tests.processes import run_on_processes
from tests.test_models.test_reid.reid_batches import DIMS, images, samples_of, small_model

HEAD = dict(type='ClusterContrastHead')
LABELS = [0, 0, 1, 1, 2, 2, 3, 3]


def with_memory(model: nn.Module) -> nn.Module:
    model.head.memory.reset(torch.randn(4, DIMS, generator=torch.Generator().manual_seed(9)))
    return model


def test_embedding_is_the_normalised_output_of_pooling_and_norm():
    model, x = small_model(HEAD), images(5)
    norm = model.neck.norm
    norm.running_mean.uniform_(), norm.running_var.uniform_(.5, 2), norm.weight.data.uniform_(.5, 2)
    model.eval()
    maps = model.backbone(x)[-1]
    pooled = maps.clamp(min=1e-6).pow(3).mean(dim=(2, 3)).pow(1 / 3)
    plain = (pooled - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight
    expected = plain / plain.norm(dim=1, keepdim=True)
    torch.testing.assert_close(model.extract_feat(x), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=1e-4)
    for sample, feat in zip(model(x, samples_of([0] * 5), mode='predict'), expected):
        torch.testing.assert_close(sample.feat, feat, atol=1e-5, rtol=1e-4)


class Halves(nn.Module):
    """(3, 4) for an image, (4, 0) for its mirror image."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = (x[:, 0, 0, 0] > x[:, 0, 0, -1])[:, None]
        return torch.where(bright, torch.tensor([3., 4.]), torch.tensor([4., 0.]))


def test_flip_test_averages_before_it_normalises():
    model = small_model(HEAD, flip_test=True)
    model.backbone, model.pooling, model.neck = nn.Identity(), Halves(), nn.Identity()
    x = torch.linspace(1, 0, 8).expand(2, 3, 4, 8)
    expected = torch.tensor([[.868243, .496139]] * 2)
    for sample, feat in zip(model.eval().predict(x), expected):
        torch.testing.assert_close(sample.feat, feat, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.extract_feat(x), torch.tensor([[.6, .8]] * 2))  # as the recipe clusters


def gradients(model: nn.Module, parts: list[slice]) -> dict[str, torch.Tensor]:
    """Of the mean loss over the parts, one pass each, the memory frozen."""
    x, samples = images(16), samples_of(LABELS * 2)
    for part in parts:
        (model(x[part], samples[part], mode='loss')['loss_contrast'] / len(parts)).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize('splits', [1, 2, 4])
def test_split_batch_norm_is_accumulation_over_the_chunks(splits):
    size = 16 // splits
    split = gradients(with_memory(small_model(HEAD, bn_splits=splits)), [slice(0, 16)])
    passes = gradients(with_memory(small_model(HEAD)), [slice(i, i + size) for i in range(0, 16, size)])
    for name, grad in passes.items():
        torch.testing.assert_close(split[name], grad, atol=1e-5, rtol=1e-3, msg=name)
    whole = gradients(with_memory(small_model(HEAD)), [slice(0, 16)])
    difference = max(float((whole[name] - grad).norm() / grad.norm().clamp(min=1e-6)) for name, grad in passes.items())
    assert difference < 1e-3 if splits == 1 else difference > .1


def test_weights_load_before_and_after_a_change_of_splits():
    plain, split = small_model(HEAD), small_model(HEAD, bn_splits=4)
    assert plain.state_dict().keys() == split.state_dict().keys()
    x = images(3)
    torch.testing.assert_close(split.eval()(x), plain.eval()(x))


def test_domains_have_norms_of_their_own():
    model = small_model(HEAD, domain_norm=True)
    model.load_state_dict(small_model(HEAD).state_dict())  # a plain checkpoint fills both domains
    with_memory(model)
    with torch.no_grad():
        model.train()(torch.cat([images(4), images(4, seed=1) * 3 + 2]), samples_of(LABELS), mode='loss')
    reference = small_model(HEAD).train()
    with torch.no_grad():
        reference(images(4, seed=1) * 3 + 2)
    torch.testing.assert_close(model.neck.norm.running_mean, reference.neck.norm.running_mean, atol=1e-5, rtol=1e-4)
    assert not model.neck.norm.bias.requires_grad
    assert not model.neck.norm.source.bias.requires_grad


def norm_types(rank: int, world_size: int) -> list[str]:
    model = small_model(HEAD)
    return sorted({type(module).__name__ for module in model.modules() if isinstance(module, nn.BatchNorm2d)})


def test_without_splits_statistics_are_those_of_all_processes():
    assert run_on_processes(norm_types, 2) == [[CrossProcessBatchNorm2d.__name__]] * 2


def test_embedding_of_another_width():
    model = small_model(HEAD, neck=dict(type='BNNeck', in_channels=DIMS, out_channels=12) | {})
    assert model.extract_feat(images(2)).shape == (2, 12)
    assert torch.equal(F.normalize(model.extract_feat(images(2))), model.extract_feat(images(2)))


def test_samples_without_label():
    with pytest.raises(ValueError, match='every training sample must have a label >= 0, got -1 for 1.jpg; draw samples'):
        labels_of(samples_of([0, -1]), torch.device('cpu'))


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be 'tensor', 'loss' or 'predict', got 'train'"):
        small_model(HEAD)(images(1), mode='train')


def test_any_backbone_of_mmpretrain():
    model = MODELS.build(dict(
        type='ReIDModel', head=HEAD, embed_dims=1280, neck=dict(type='BNNeck', in_channels=1280),
        backbone=dict(type='mmpretrain.MobileNetV2', widen_factor=.25)))
    assert model(torch.zeros(2, 3, 64, 32)).shape == (2, 1280)
