import pytest
import torch
from torch.nn.functional import linear, relu
from torchvision.ops import roi_align

from pedsearch.ops import deform_roi_pool
from pedsearch.registry import MODELS

ROIS = torch.tensor([[0., 4, 8, 60, 100], [1, 10, 10, 50, 120], [0, -8, 30, 200, 220]])


def layer(channels=5, fc_channels=7):
    torch.manual_seed(0)
    return MODELS.build(dict(type='DeformRoIPoolPack', output_size=(14, 6), channels=channels, fc_channels=fc_channels,
                             gamma=.3, spatial_scale=1 / 8))


def test_a_new_layer_is_roi_align():
    feats = torch.randn(2, 5, 16, 12)
    torch.testing.assert_close(layer()(feats, ROIS), roi_align(feats, ROIS, (14, 6), 1 / 8, 0, aligned=True))


def test_offsets_are_made_from_what_was_pooled():
    pool, feats = layer(), torch.randn(2, 5, 16, 12)
    torch.nn.init.normal_(pool.offset_fc[-1].weight)
    torch.nn.init.normal_(pool.offset_fc[-1].bias)
    weights = dict(pool.named_parameters())
    assert list(weights) == [f'offset_fc.{i}.{name}' for i in (0, 2, 4) for name in ('weight', 'bias')]
    hidden = roi_align(feats, ROIS, (14, 6), 1 / 8, 0, aligned=True).flatten(1)
    for i in (0, 2):
        hidden = relu(linear(hidden, weights[f'offset_fc.{i}.weight'], weights[f'offset_fc.{i}.bias']))
    offsets = linear(hidden, weights['offset_fc.4.weight'], weights['offset_fc.4.bias'])
    expected = deform_roi_pool(feats, ROIS, offsets.reshape(3, 2, 14, 6), (14, 6), 1 / 8, gamma=.3)
    found = pool(feats, ROIS)
    assert (found - layer()(feats, ROIS)).abs().max() > .1
    torch.testing.assert_close(found, expected)


def test_o27_number_of_parameters_at_full_size():
    with torch.device('meta'):
        pool = MODELS.build(dict(type='DeformRoIPoolPack', output_size=(14, 6), channels=1024))
    assert sum(parameter.numel() for parameter in pool.parameters()) == 89_303_208


def test_the_last_layer_learns_from_the_first_step():
    pool, feats = layer(), torch.randn(2, 5, 16, 12, requires_grad=True)
    pool(feats, ROIS).square().sum().backward()
    assert pool.offset_fc[-1].weight.grad.abs().sum() > 0
    assert feats.grad.abs().sum() > 0


def test_no_rois():
    pool, feats = layer(), torch.randn(2, 5, 16, 12, requires_grad=True)
    pooled = pool(feats, ROIS[:0])
    assert pooled.shape == (0, 5, 14, 6)
    pooled.sum().backward()
    assert all((parameter.grad == 0).all() for parameter in pool.parameters())


def test_wrong_width():
    with pytest.raises(ValueError, match=r'feats must have shape \(B, 5, H, W\), got \(1, 4, 8, 8\); set channels'):
        layer()(torch.zeros(1, 4, 8, 8), ROIS[:1])
