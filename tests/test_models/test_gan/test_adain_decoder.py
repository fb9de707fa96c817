import pytest
import torch

from pedsearch.registry import MODELS

from .plain_layers import instance_norm, leaky, mirrored_conv, num_parameters


def build(**settings):
    torch.manual_seed(0)
    decoder = MODELS.build(dict(type='AdaINDecoder', **settings))
    decoder.init_weights()
    return decoder


def style(batch, layers, channels):
    return torch.rand(batch, layers, channels), torch.randn(batch, layers, channels)


def by_the_table(x, scales, shifts, parameters, num_blocks):
    def conv(x):
        return mirrored_conv(x, next(parameters), next(parameters))

    def adain(x, layer):
        return scales[:, layer, :, None, None] * instance_norm(x) + shifts[:, layer, :, None, None]

    for i in range(num_blocks):
        x = x + adain(conv(leaky(adain(conv(x), 2 * i))), 2 * i + 1)
    for _ in range(2):
        x = conv(x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
        x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1e-5)
        x = leaky(x * next(parameters)[:, None, None] + next(parameters)[:, None, None])
    return conv(leaky(conv(leaky(conv(x)))))


def test_t7_and_t8_size():
    decoder = build()
    assert num_parameters(decoder) == 1455555
    assert num_parameters(decoder.blocks) == 1180672
    with torch.no_grad():
        assert decoder(torch.randn(1, 128, 64, 32), *style(1, 8, 128)).shape == (1, 3, 256, 128)


@pytest.mark.parametrize('settings', [dict(in_channels=8), dict(in_channels=12, num_blocks=2, out_channels=1)])
@pytest.mark.parametrize('size', [(10, 10), (11, 13)])
def test_layers_of_the_table(settings, size):
    decoder, channels, num_blocks = build(**settings), settings['in_channels'], settings.get('num_blocks', 4)
    for parameter in decoder.parameters():
        parameter.data += .1 * torch.randn_like(parameter)  # biases and shifts as well
    structure, (scales, shifts) = torch.randn(2, channels, *size), style(2, 2 * num_blocks, channels)
    images = decoder(structure, scales, shifts)
    assert images.shape == (2, settings.get('out_channels', 3), 4 * size[0], 4 * size[1])
    expected = by_the_table(structure, scales, shifts, decoder.parameters(), num_blocks)
    torch.testing.assert_close(images, expected, atol=1e-4, rtol=1e-4)


def test_values_have_no_bounds():
    decoder = build(in_channels=8)
    decoder.painter[-1].bias.data += 50
    assert decoder(torch.randn(1, 8, 10, 10), *style(1, 8, 8)).min() > 10


def test_initial_weights():
    for name, parameter in build().named_parameters():
        if name.endswith(('bias', 'shift')):
            assert not parameter.any()
        elif parameter.ndim == 4 and parameter.numel() > 5000:
            assert parameter.std().item() == pytest.approx((2 / parameter[0].numel()) ** .5, rel=.05), name
        elif name.endswith('gain'):
            assert parameter.min() >= 0
            assert .2 < parameter.mean() < .8


def test_half_precision():
    decoder, structure, (scales, shifts) = build(in_channels=64), torch.randn(2, 64, 12, 10), style(2, 8, 64)
    with torch.no_grad():
        expected = decoder(structure, scales, shifts)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            images = decoder(structure, scales, shifts)
    assert (images.float() - expected).square().mean().sqrt() < .03 * expected.std()


def test_wrong_shapes():
    decoder = build(in_channels=8, num_blocks=1)
    with pytest.raises(ValueError, match='in_channels must be a multiple of 4, got 10; it is 8 times base_channels'):
        build(in_channels=10)
    with pytest.raises(ValueError, match=r'structure must have shape \(B, 8, h, w\), got \(2, 4, 10, 10\); in_channels'):
        decoder(torch.zeros(2, 4, 10, 10), *style(2, 2, 8))
    for wrong in (style(2, 8, 8), style(1, 2, 8)):
        with pytest.raises(ValueError, match=r'scales and shifts must have shape \(2, 2, 8\), got .*; pass one code'):
            decoder(torch.zeros(2, 8, 10, 10), *wrong)
