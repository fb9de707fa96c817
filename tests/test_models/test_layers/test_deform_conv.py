import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.layers import DeformConv2dPack


def offset_layer(kernel_size: int, padding: int) -> DeformConv2dPack:
    """A layer that moves its samples about."""
    torch.manual_seed(0)
    layer = DeformConv2dPack(2, 3, kernel_size, padding).double()
    torch.nn.init.normal_(layer.conv_offset.weight, std=.3)
    torch.nn.init.normal_(layer.conv_offset.bias, std=.5)
    return layer


def sample(image: torch.Tensor, y: float, x: float) -> torch.Tensor:
    """Bilinear value (C,) at a place, zeros around the map."""
    top, left = math.floor(y), math.floor(x)
    value = torch.zeros(len(image), dtype=image.dtype)
    for row in (top, top + 1):
        for col in (left, left + 1):
            if 0 <= row < image.shape[1] and 0 <= col < image.shape[2]:
                value += image[:, row, col] * (1 - abs(y - row)) * (1 - abs(x - col))
    return value


def plain_deform_conv(layer: DeformConv2dPack, x: torch.Tensor) -> torch.Tensor:
    """Place by place, tap by tap; offsets come as dy, dx of each tap."""
    offsets = F.conv2d(x, layer.conv_offset.weight, layer.conv_offset.bias, padding=layer.padding)
    size, out = layer.weight.shape[2], x.new_zeros(len(x), len(layer.weight), *offsets.shape[2:])
    for image, row, col in ((b, r, c) for b in range(len(x)) for r in range(out.shape[2]) for c in range(out.shape[3])):
        for tap in range(size**2):
            dy, dx = offsets[image, 2 * tap:2 * tap + 2, row, col].tolist()
            place = row - layer.padding + tap // size + dy, col - layer.padding + tap % size + dx
            out[image, :, row, col] += layer.weight[:, :, tap // size, tap % size] @ sample(x[image], *place)
    return out


@pytest.mark.parametrize(('kernel_size', 'padding'), [(3, 1), (1, 0)])
def test_samples_where_its_offsets_say(kernel_size, padding):
    layer, x = offset_layer(kernel_size, padding), torch.randn(2, 2, 5, 4, dtype=torch.float64)
    with torch.no_grad():
        out = layer(x)
        torch.testing.assert_close(out, plain_deform_conv(layer, x))
        assert (out - F.conv2d(x, layer.weight, padding=padding)).abs().max() > .1


def test_new_layer_is_an_ordinary_convolution():
    torch.manual_seed(0)
    layer, x = DeformConv2dPack(4, 6, 3, padding=1), torch.randn(2, 4, 7, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight, padding=1))
    bound = 1 / math.sqrt(4 * 9)
    assert .9 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize('rows', [0, 1, 33])  # mmcv's operator wants multiples of 32
def test_any_number_of_rows(rows):
    layer = offset_layer(3, 1)
    x = torch.randn(rows, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    assert out.shape == (rows, 3, 4, 3)
    out.sum().backward()
    if rows:
        torch.testing.assert_close(out, torch.cat([layer(row[None]) for row in x]))


def test_gradients():
    layer = offset_layer(3, 1)
    x = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x, *parameters: layer(x), (x, *layer.parameters()))


def test_half_precision_gives_its_own_type():
    layer, x = offset_layer(3, 1).float(), torch.randn(2, 2, 5, 4)
    plain = layer(x)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        mixed = layer(x.bfloat16())
    assert mixed.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), plain, atol=.1, rtol=.05)
