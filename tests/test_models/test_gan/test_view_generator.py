import copy
import pickle

import pytest
import torch

from pedsearch.registry import MODELS

from .plain_layers import num_parameters


def build(base_channels=2, hidden_dims=8, code_dims=64, num_blocks=4, layout='channel'):
    torch.manual_seed(0)
    channels = 8 * base_channels
    generator = MODELS.build(dict(
        type='ViewGenerator', structure_encoder=dict(type='StructureEncoder', base_channels=base_channels),
        mapper=dict(type='StyleMapper', code_dims=code_dims, hidden_dims=hidden_dims, channels=channels,
                    num_blocks=num_blocks, part_layout=layout),
        decoder=dict(type='AdaINDecoder', in_channels=channels, num_blocks=num_blocks)))
    generator.init_weights()
    return generator


def inputs(batch=2, size=(64, 40), code=(16, 4)):
    return torch.rand(batch, *code), 2 * torch.rand(batch, 1, *size) - 1


def test_t8_size():
    assert num_parameters(MODELS.build(dict(type='ViewGenerator'))) == 13380675


@pytest.mark.parametrize('size', [(40, 40), (64, 44), (52, 80)])
@pytest.mark.parametrize('settings', [dict(), dict(base_channels=4, hidden_dims=16), dict(num_blocks=2),
                                      dict(layout='part')])
def test_widths_and_sizes(settings, size):
    codes, meshes = inputs(size=size)
    generator = build(**settings)
    images = generator(codes, meshes)
    assert images.shape == (2, 3, *size)
    torch.testing.assert_close(images, generator.decode(codes, generator.encode(meshes)), atol=0, rtol=0)
    images.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in generator.parameters())


def test_t4_and_t12_a_sample_decides_alone_about_its_image():
    generator, (codes, meshes) = build(), inputs(batch=3)
    with torch.no_grad():
        structure = generator.encode(meshes)
        images = generator.decode(codes, structure)
        torch.testing.assert_close(generator.decode(codes[1:2], structure[1:2]), images[1:2], atol=1e-5, rtol=0)
        torch.testing.assert_close(generator(codes[1:2], meshes[1:2]), images[1:2], atol=1e-4, rtol=0)
        assert torch.equal(generator(codes, meshes.clone()), generator(codes, meshes))  # a view not turned is the same


def test_both_inputs_decide():
    generator, (codes, meshes) = build(), inputs()
    with torch.no_grad():
        images = generator(codes, meshes)
        assert (generator(codes.flip(0), meshes) - images).abs().mean() > 1e-3
        assert (generator(codes, meshes.flip(0)) - images).abs().mean() > 1e-3


def test_t16_copies_after_a_pass():
    generator, (codes, meshes) = build(), inputs()
    images = generator(codes, meshes)
    for twin in (copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))):
        assert torch.equal(twin(codes, meshes), images)
    assert set(generator.state_dict()) == {name for name, _ in generator.named_parameters()}


def test_the_gradient_reaches_the_codes():
    generator, (codes, meshes) = build(), inputs()
    codes.requires_grad_()
    generator(codes, meshes).square().mean().backward()
    assert codes.grad.abs().sum(dim=(0, 1)).all()


def test_half_precision():
    generator, (codes, meshes) = build(base_channels=4, hidden_dims=32), inputs()
    with torch.no_grad():
        expected = generator(codes, meshes)
        with torch.autocast('cpu', dtype=torch.bfloat16):
            images = generator(codes, meshes)
    assert (images.float() - expected).square().mean().sqrt() < .08 * expected.std()


def test_parts_that_do_not_fit():
    with pytest.raises(ValueError, match=r'must have one width, got 64, 128, 128; set them alike'):
        MODELS.build(dict(type='ViewGenerator', structure_encoder=dict(type='StructureEncoder', base_channels=8)))
    with pytest.raises(ValueError, match='the same num_blocks, got 4 and 2; set them alike'):
        MODELS.build(dict(type='ViewGenerator', decoder=dict(type='AdaINDecoder', num_blocks=2)))
