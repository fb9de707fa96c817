import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.gan import flatten_codes
from pedsearch.registry import MODELS

from .plain_layers import leaky, num_parameters

SMALL = dict(type='StyleMapper', code_dims=24, hidden_dims=5, channels=6, num_blocks=4)


def build(**settings):
    torch.manual_seed(0)
    mapper = MODELS.build(dict(SMALL, **settings))
    mapper.init_weights()
    return mapper


def test_t14_order_of_a_code():
    codes = torch.arange(8).view(1, 2, 4)
    assert flatten_codes(codes).tolist() == [list(range(8))]
    assert flatten_codes(codes, 'part').tolist() == [[0, 4, 1, 5, 2, 6, 3, 7]]


def test_t8_size():
    mapper = MODELS.build(dict(type='StyleMapper'))
    assert num_parameters(mapper) == 8 * 1443072
    with torch.no_grad():
        assert [style.shape for style in mapper(torch.rand(2, 2048, 4))] == [(2, 8, 128), (2, 8, 128)]


@pytest.mark.parametrize(('layout', 'shape'), [('channel', (3, 6, 4)), ('channel', (3, 12, 2)), ('part', (3, 6, 4))])
def test_one_perceptron_after_another(layout, shape):
    mapper, codes = build(part_layout=layout), torch.randn(shape)
    for parameter in mapper.parameters():
        parameter.data += .1 * torch.randn_like(parameter)
    parameters = [parameter.squeeze(-1).chunk(8) for parameter in mapper.parameters()]
    vectors = (codes if layout == 'channel' else codes.mT).reshape(3, 24)
    styles = []
    for i in range(8):  # four for scales, four for shifts
        x = vectors[:, 6 * (i % 4):6 * (i % 4 + 1)]
        for layer in range(3):
            x = F.linear(x, parameters[2 * layer][i], parameters[2 * layer + 1][i])
            x = leaky(x) if layer < 2 else x
        styles += [x[:, :6], x[:, 6:]]  # the block's first and second convolution
    scales, shifts = mapper(codes)
    torch.testing.assert_close(scales, torch.stack(styles[:8], dim=1))
    torch.testing.assert_close(shifts, torch.stack(styles[8:], dim=1))


@pytest.mark.parametrize('layout', ['channel', 'part'])
@pytest.mark.parametrize('block', range(4))
def test_t13_a_slice_reaches_its_block_only(layout, block):
    mapper, codes = build(part_layout=layout, code_dims=32), torch.randn(2, 8, 4)
    changed = codes.clone()
    if layout == 'channel':
        changed[:, 2 * block:2 * block + 2] += 1  # channels of all stripes
    else:
        changed[:, :, block] += 1  # a stripe
    for before, after in zip(mapper(codes), mapper(changed)):
        moved = (before != after).any(dim=2)
        assert moved.tolist() == [[i // 2 == block for i in range(8)]] * 2


def test_initial_weights_are_those_of_single_perceptrons():
    mapper = build(code_dims=256, hidden_dims=64, channels=32)
    for i, fan_in in ((0, 64), (2, 64), (4, 64)):
        layer = mapper.perceptrons[i]
        assert not layer.bias.any()
        for weight in layer.weight.chunk(8):
            assert weight.std().item() == pytest.approx((2 / fan_in) ** .5, rel=.1)


def test_half_precision():
    mapper, codes = build(code_dims=256, hidden_dims=64, channels=32), torch.rand(4, 64, 4)
    expected = torch.stack(mapper(codes))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        styles = torch.stack(mapper(codes))
    torch.testing.assert_close(styles.float(), expected, atol=.05, rtol=.05)


def test_wrong_settings_and_codes():
    with pytest.raises(ValueError, match="part_layout must be one of channel, part, got 'stripe'"):
        build(part_layout='stripe')
    with pytest.raises(ValueError, match='code_dims must be a multiple of num_blocks = 4, got 26; it is'):
        build(code_dims=26)
    with pytest.raises(ValueError, match=r'codes must have shape \(B, C, P\) with C \* P = 24, got \(2, 24\); set'):
        build()(torch.zeros(2, 24))
    with pytest.raises(ValueError, match=r'C \* P = 24, got \(2, 5, 4\)'):
        build()(torch.zeros(2, 5, 4))
    with pytest.raises(ValueError, match="part_layout='part' needs as many parts as blocks, 4, got 2; change"):
        build(part_layout='part')(torch.zeros(2, 12, 2))
