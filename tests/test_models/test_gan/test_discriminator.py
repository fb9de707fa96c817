import pytest
import torch
import torch.nn.functional as F

from pedsearch.registry import MODELS

from .plain_layers import leaky, mirrored_conv, num_parameters


def build(**settings):
    torch.manual_seed(0)
    discriminator = MODELS.build(dict(type='MultiScaleDiscriminator', **settings))
    discriminator.init_weights()
    return discriminator


def test_t7_and_t8_size():
    discriminator = build()
    assert [num_parameters(scale) for scale in discriminator.scales] == [341857] * 3
    assert num_parameters(discriminator) == 1025571
    with torch.no_grad():
        shapes = [score.shape for score in discriminator(torch.rand(1, 3, 256, 128))]
    assert shapes == [(1, 1, 64, 32), (1, 1, 32, 16), (1, 1, 16, 8)]


def halved(images):
    """Mean of the pixels of a 3x3 window that are inside."""
    ones = torch.ones(1, 1, 3, 3)
    total = F.conv2d(images.flatten(0, 1)[:, None], ones, stride=2, padding=1)
    count = F.conv2d(torch.ones(1, 1, *images.shape[2:]), ones, stride=2, padding=1)
    return (total / count).view(*images.shape[:2], *total.shape[2:])


@pytest.mark.parametrize('settings', [dict(base_channels=2), dict(num_scales=2, base_channels=3, num_blocks=1)])
@pytest.mark.parametrize('size', [(17, 17), (37, 22)])
def test_layers_of_the_table(settings, size):
    discriminator, images = build(**settings), torch.rand(2, 3, *size)
    for parameter in discriminator.parameters():
        parameter.data = .3 * torch.randn_like(parameter)
    scores = discriminator(images)
    assert len(scores) == settings.get('num_scales', 3)
    for score, scale in zip(scores, discriminator.scales):
        parameters = scale.parameters()

        def conv(x, stride=1):
            return mirrored_conv(x, next(parameters), next(parameters), stride)  # noqa: B023

        x = images
        for stride in (1, 1, 2, 1, 2):
            x = leaky(conv(x, stride))
        for _ in range(settings.get('num_blocks', 4)):
            x = x + conv(leaky(conv(x)))
        torch.testing.assert_close(score, conv(x), atol=1e-4, rtol=1e-4)
        images = halved(images)


def test_initial_weights():
    for name, parameter in build().named_parameters():
        if name.endswith('bias'):
            assert not parameter.any()
        elif parameter.numel() > 2000:
            assert parameter.std().item() == pytest.approx(.02, rel=.05), name
            assert abs(parameter.mean().item()) < .001


def test_field_of_view():
    discriminator = build(num_scales=1, base_channels=2).double()
    for parameter in discriminator.parameters():
        parameter.data = torch.randn_like(parameter)
    images = torch.rand(1, 3, 160, 160, dtype=torch.double, requires_grad=True)
    discriminator(images)[0][0, 0, 20, 20].backward()
    seen = (images.grad != 0).any(dim=1)[0]
    rows, columns = seen.any(dim=1).nonzero(), seen.any(dim=0).nonzero()
    assert rows[-1] - rows[0] + 1 == columns[-1] - columns[0] + 1 == 77


def test_half_precision():
    discriminator, images = build(base_channels=8), torch.randn(2, 3, 48, 32)
    for parameter in discriminator.parameters():
        parameter.data = torch.randn_like(parameter) / max(1, parameter[0].numel()) ** .5
    with torch.no_grad():
        expected = discriminator(images)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            scores = discriminator(images)
    for score, exact in zip(scores, expected):
        assert (score.float() - exact).square().mean().sqrt() < .03 * exact.square().mean().sqrt()


def test_images_too_small():
    discriminator = build(base_channels=2)
    assert [score.shape[2:] for score in discriminator(torch.rand(1, 3, 17, 18))] == [(5, 5), (3, 3), (2, 2)]
    for shape in ((1, 3, 16, 64), (1, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match=r'images must have shape \(B, 3, H, W\) with H and W >= 17, got .*; use'):
            discriminator(torch.rand(shape))
