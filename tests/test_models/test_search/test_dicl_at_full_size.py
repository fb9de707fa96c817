"""DICL's network as its config builds it."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from pedsearch.models.search.siamese_detector import SiameseFeatures
from pedsearch.registry import MODELS
from tests.toy_models import CONFIGS

ROIS = torch.tensor([[0., 100, 100, 160, 257], [0, 700.5, 300.2, 900, 790], [0, -20, 50, 40, 300]])


@pytest.fixture(scope='module')
def model():
    init_default_scope('pedsearch')
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / 'dicl_r50.py').model
    cfg.backbone.init_cfg = None
    torch.manual_seed(0)
    model = MODELS.build(cfg).eval()
    model.neck.init_weights()
    return model


@torch.no_grad()
def test_shapes(model):
    """O-26."""
    head, generator = model.roi_head, torch.Generator().manual_seed(0)
    scene, crops = (torch.randn(shape, generator=generator) for shape in ((1, 3, 864, 1504), (5, 3, 224, 96)))
    x = model.extract_feat(scene)
    assert [tuple(feats.shape) for feats in x] == [(1, 1024, 54, 94)]
    assert x.crop_maps(ROIS).shape == (3, 1024, 14, 6)
    assert model.extract_feat(crops)[0].shape == (5, 1024, 14, 6)
    assert head.region_maps(x, ROIS).shape == (3, 1024, 14, 6)
    search = head._embedding(head.region_maps(x, ROIS))
    assert search.shape == (3, 256)
    torch.testing.assert_close(search.norm(dim=1), torch.ones(3))
    assert (head.embed(x, ROIS).norm(dim=1) < 1).all()
    head.instance_branch = False
    try:
        torch.testing.assert_close(head.embed(x, ROIS), search)
    finally:
        head.instance_branch = True


def test_maps_of_both_branches_meet_in_one_layer(model):
    """A crop whose map equals a region's has its embedding."""
    head = model.roi_head
    maps = torch.randn(1, 1024, 14, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        crop = head.crop_embeds(SiameseFeatures((), lambda rois: maps), ROIS[:1])
        torch.testing.assert_close(crop, head._embedding(head.deform(maps)))


def ramp(axis: int) -> torch.Tensor:
    """(1, 1024, 20, 20) whose value is its own column (axis 3) or row (axis 2)."""
    shape = [1, 1, 1, 1]
    shape[axis] = 20
    return torch.arange(20.).view(shape).expand(1, 1024, 20, 20)


class TestDeformableRoIPooling:
    """O-24."""

    @torch.no_grad()
    def pooled(self, model, maps: torch.Tensor, roi: list[float], shifts: dict | None = None) -> torch.Tensor:
        """One channel (14, 6); shifts of bins by (axis, row, column) with dx of axis 0, dy of axis 1."""
        layer = model.roi_head.roi_extractor
        bias = layer.offset_fc[-1].bias
        view = bias.data.view(2, 14, 6)
        for place, shift in (shifts or {}).items():
            view[place] = shift
        try:
            maps = layer(maps, torch.tensor([[0., *roi]]))
        finally:
            bias.zero_()
        torch.testing.assert_close(maps[0, :1].expand_as(maps[0]), maps[0])
        return maps[0, 0]

    def test_without_offsets(self, model):
        rows = self.pooled(model, ramp(3), [32, 0, 128, 224])
        torch.testing.assert_close(rows, torch.arange(2., 8).expand(14, 6))
        rows = self.pooled(model, ramp(3), [40, 0, 136, 224])
        torch.testing.assert_close(rows, torch.arange(2.5, 8).expand(14, 6))
        columns = self.pooled(model, ramp(2), [32, 0, 128, 224])
        torch.testing.assert_close(columns, torch.arange(14.)[:, None].expand(14, 6))

    def test_shift_to_the_right_everywhere(self, model):
        rows = self.pooled(model, ramp(3), [32, 0, 128, 224], {0: 1.})
        torch.testing.assert_close(rows, torch.arange(2.6, 8).expand(14, 6))

    def test_shift_of_one_bin_upwards(self, model):
        columns = self.pooled(model, ramp(2), [32, 32, 128, 256], {(1, 3, 2): -1.})
        expected = torch.arange(2., 16)[:, None].repeat(1, 6)
        expected[3, 2] = 3.6
        torch.testing.assert_close(columns, expected)


def test_stem_and_first_stage_are_frozen_and_all_batch_norms_of_the_backbone(model):
    trained = {name.split('.')[0] for name, parameter in model.backbone.named_parameters() if parameter.requires_grad}
    assert trained == {'layer2', 'layer3', 'layer4'}
    model.train()
    try:
        norms = [module for module in model.backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        assert len(norms) == 53
        assert not any(module.training or module.weight.requires_grad for module in norms)
        assert [module.training for module in (model.roi_head.classifier[0].bn, model.roi_head.regressor[1].bn)] == [True] * 2
    finally:
        model.eval()


def test_initial_weights(model):
    head = model.roi_head
    for layer, std in ((head.classifier[0].conv, .01), (head.classifier[4], .01), (head.regressor[4], .001)):
        assert layer.weight.std().item() == pytest.approx(std, rel=.05)
    assert head.fc_embed.weight.abs().max().item() == pytest.approx(86016**-.5, rel=1e-3)
    assert head.fc_embed.bias.abs().max().item() <= 86016**-.5
    assert head.deform.conv_offset.weight.abs().max() == 0
    assert head.classifier[0].conv.bias is None
