import pytest
import torch

from pedsearch.registry import MODELS

from .plain_layers import instance_norm, leaky, mirrored_conv, num_parameters


def build(**settings):
    torch.manual_seed(0)
    encoder = MODELS.build(dict(type='StructureEncoder', **settings))
    encoder.init_weights()
    return encoder


def by_the_table(x, parameters, num_blocks):
    def conv(x, **settings):
        return instance_norm(mirrored_conv(x, next(parameters), next(parameters), **settings))

    for stride in (2, 1, 1, 2):
        x = leaky(conv(x, stride=stride))
    for _ in range(num_blocks):
        x = x + conv(leaky(conv(x)))
    branches = [conv(x), *(conv(leaky(conv(x)), dilation=dilation) for dilation in (3, 6, 9))]
    return conv(torch.cat(branches, dim=1))


def test_t7_and_t8_size():
    encoder = build()
    assert encoder.out_channels == 128
    assert num_parameters(encoder) == 380544
    parts = encoder.stem, encoder.blocks, encoder.pyramid
    assert [num_parameters(part) for part in parts] == [160 + 4640 + 9248 + 18496, 295424, 52576]
    with torch.no_grad():
        assert encoder(torch.rand(1, 1, 256, 128)).shape == (1, 128, 64, 32)


@pytest.mark.parametrize('settings', [dict(base_channels=2), dict(in_channels=3, base_channels=3, num_blocks=1)])
@pytest.mark.parametrize('size', [(40, 40), (64, 44), (52, 80)])
def test_layers_of_the_table(settings, size):
    encoder = build(**settings)
    for parameter in encoder.parameters():
        parameter.data += .1 * torch.randn_like(parameter)  # biases as well
    meshes = 2 * torch.rand(2, settings.get('in_channels', 1), *size) - 1
    structure = encoder(meshes)
    assert structure.shape == (2, encoder.out_channels, size[0] // 4, size[1] // 4)
    expected = by_the_table(meshes, encoder.parameters(), settings.get('num_blocks', 4))
    torch.testing.assert_close(structure, expected, atol=1e-4, rtol=1e-4)


def test_t9_maps_are_normalised_and_a_blank_mesh_has_no_structure():
    encoder = build()
    with torch.no_grad():
        structure = encoder(2 * torch.rand(2, 1, 64, 48) - 1)
        assert structure.mean((2, 3)).abs().max() < 1e-6
        var = structure.var((2, 3), unbiased=False)
        assert var.min() >= .9999
        assert var.max() <= 1 + 1e-6
        assert encoder(torch.ones(1, 1, 64, 48)).abs().max() < 1e-6


def test_initial_weights():
    for name, parameter in build().named_parameters():
        if name.endswith('bias'):
            assert not parameter.any()
        elif parameter.numel() > 2000:
            assert parameter.std().item() == pytest.approx((2 / parameter[0].numel()) ** .5, rel=.05), name


def test_half_precision():
    encoder, meshes = build(), 2 * torch.rand(2, 1, 64, 48) - 1
    with torch.no_grad():
        expected = encoder(meshes)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            structure = encoder(meshes)
    assert (structure.float() - expected).square().mean().sqrt() < .05  # of a standard deviation


@pytest.mark.parametrize(('shape', 'message'), [
    ((2, 3, 64, 48), r'meshes must have shape \(B, 1, H, W\), got \(2, 3, 64, 48\); render'),
    ((1, 64, 48), r'meshes must have shape \(B, 1, H, W\), got \(1, 64, 48\)'),
    ((2, 1, 36, 64), r'multiples of 4 from 40, got \(36, 64\); resize meshes and photos'),
    ((2, 1, 64, 36), r'multiples of 4 from 40, got \(64, 36\)'),
    ((2, 1, 66, 48), r'multiples of 4 from 40, got \(66, 48\)'),
])
def test_wrong_input(shape, message):
    with pytest.raises(ValueError, match=message):
        build(base_channels=2)(torch.zeros(shape))
