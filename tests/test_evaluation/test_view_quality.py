"""Oracles: the formulas in NumPy, and what is known of equal pictures."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import nn
from torchvision.transforms.functional import resize

from pedsearch.evaluation import EmbeddingExtractor, frechet_distance, view_quality
from tests.test_models.test_reid.gcl_batches import small_gcl


def pictures(num: int, seed: int = 0, low: int = 0, high: int = 256) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (num, 3, 32, 24), generator=generator, dtype=torch.uint8)


def test_quality_is_that_of_the_formulas():
    truth = pictures(4)
    noise = torch.randint(-20, 21, truth.shape, generator=torch.Generator().manual_seed(1))
    views = (truth.int() + noise).clamp(0, 255).to(torch.uint8)
    quality = view_quality(views, truth)
    errors = ((views.double() - truth.double()) / 255).square().mean(dim=(1, 2, 3))
    assert quality['psnr'] == pytest.approx((-10 * errors.log10()).mean().item(), abs=1e-4)
    assert .5 < quality['ssim'] < 1
    assert view_quality(truth, truth)['ssim'] == pytest.approx(1)
    assert abs(view_quality(pictures(4, seed=2), truth)['ssim']) < .05


def test_quality_of_people_leaves_the_background_out():
    truth, views = pictures(4), pictures(4, seed=1)
    people = torch.zeros(4, 32, 24, dtype=torch.bool)
    people[:, 5:20, 3:11] = True
    quality = view_quality(views, truth, people)
    assert quality['person_psnr'] == pytest.approx(
        view_quality(views[:, :, 5:20, 3:11], truth[:, :, 5:20, 3:11])['psnr'], abs=1e-4)
    assert quality['psnr'] == view_quality(views, truth)['psnr']
    with pytest.raises(ValueError, match=r'people must have shape \(4, 32, 24\) and a pixel in every picture'):
        view_quality(views, truth, torch.zeros_like(people))


class ChannelMeans(nn.Module):
    """Mean and spread of every channel."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([images.float().mean(dim=(2, 3)), images.float().std(dim=(2, 3))], dim=1)


def test_frechet_distance_is_that_of_the_formula():
    views, truth = pictures(40, low=30), pictures(50, seed=1, high=200)
    (mean_a, cov_a), (mean_b, cov_b) = ((feats.mean(0), np.cov(feats.T)) for feats in (
        ChannelMeans()(part).double().numpy() for part in (views, truth)))
    expected = np.sum((mean_a - mean_b)**2) + np.trace(cov_a + cov_b - 2 * sqrtm(cov_a @ cov_b).real)
    assert frechet_distance(views, truth, ChannelMeans(), batch_size=16) == pytest.approx(expected, rel=1e-3)
    assert frechet_distance(truth, truth, ChannelMeans()) == pytest.approx(0, abs=1e-2)


def test_embeddings_are_those_of_the_model():
    model = small_gcl().eval()
    part = torch.randint(0, 256, (2, 3, 64, 48), dtype=torch.uint8)
    with torch.no_grad():
        expected = model.extract_feat((part.float() - 120) / 60)  # pictures are RGB already
    torch.testing.assert_close(EmbeddingExtractor(model)(part), expected)


def test_embeddings_of_a_model_with_another_input_size():
    model = small_gcl().eval()
    part = torch.randint(0, 256, (2, 3, 8, 6), dtype=torch.uint8).repeat_interleave(16, 2).repeat_interleave(16, 3)
    smaller = EmbeddingExtractor(model, (64, 48))(part)
    torch.testing.assert_close(smaller, EmbeddingExtractor(model)(resize(part, (64, 48), antialias=True)))


def test_pictures_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match=r'views and truth must have one shape \(N, 3, H, W\), got \(2, 3, 32, 24\)'):
        view_quality(pictures(2), pictures(3))
    with pytest.raises(ValueError, match='at least two pictures of each kind are needed, got 1 and 3'):
        frechet_distance(pictures(1), pictures(3), ChannelMeans())
