import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search import DeformC45Neck


def built(offset_init: str, in_channels: tuple[int, int] = (1024, 2048)) -> DeformC45Neck:
    torch.manual_seed(0)
    neck = DeformC45Neck(in_channels, offset_init)
    neck.init_weights()
    return neck


def test_adds_both_stages_and_fuses_them():
    neck = built('zero', (4, 6))
    c3, c4, c5 = torch.randn(2, 3, 10, 6), torch.randn(2, 4, 5, 3), torch.randn(2, 6, 5, 3)
    fused = c4 + F.conv2d(c5, neck.lateral.weight)
    out, = neck((c3, c4, c5))
    torch.testing.assert_close(out, fused + F.conv2d(fused, neck.fusion.weight, padding=1))


def test_random_offsets_of_the_released_code():
    """Bounds and size of the offsets as worked out for its initialisation; kernels stay as they are drawn."""
    neck = built('xavier')
    for layer, fan_in, bound in ((neck.lateral, 2048, .0541), (neck.fusion, 9 * 1024, .0253)):
        assert layer.conv_offset.weight.abs().max().item() == pytest.approx(bound, abs=1e-4)
        assert layer.conv_offset.bias.abs().max() == 0
        assert layer.weight.abs().max().item() == pytest.approx(1 / math.sqrt(fan_in), rel=1e-3)
    offsets = neck.lateral.conv_offset(torch.randn(4, 2048, 16, 16))
    assert offsets.std().item() == pytest.approx(1.4, abs=.15)


def test_zero_offsets():
    neck = built('zero', (4, 6))
    assert all(layer.conv_offset.weight.abs().max() == 0 for layer in (neck.lateral, neck.fusion))
    changed = built('xavier', (4, 6))
    feats = torch.randn(1, 4, 5, 3), torch.randn(1, 6, 5, 3)
    assert not torch.allclose(neck(feats)[0], changed(feats)[0])


def test_stages_of_different_size():
    with pytest.raises(ValueError, match=r'must have maps of one size, got \(8, 4\) and \(4, 2\); set the stride of the'):
        built('zero', (4, 6))((torch.zeros(1, 4, 8, 4), torch.zeros(1, 6, 4, 2)))


def test_unknown_initialisation():
    with pytest.raises(ValueError, match="offset_init must be 'xavier' or 'zero', got 'he'"):
        DeformC45Neck(offset_init='he')
