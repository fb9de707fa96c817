import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torchvision.ops import deform_conv2d, roi_align

from pedsearch.ops import deform_roi_pool
from pedsearch.registry import MODELS
from tests.toy_models import CONFIGS, CROP_SIZE, MAP_SIZE, tiny_model_config

TOOLS = Path(__file__).parents[3] / 'tools' / 'model_converters'
sys.path.append(str(TOOLS))
import search_weights  # noqa: E402
from search_layouts import LAYOUTS, convert, fitting_layout  # noqa: E402

ROIS = torch.tensor([[0., 10, 10, 40, 80], [1, 60, 20, 95, 90], [1, 5, 3, 120, 60]])


class DeformConv(nn.Module):
    """The names of mmcv's layer."""

    def __init__(self, c_in: int, c_out: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(c_out, c_in, size, size))
        self.conv_offset = nn.Conv2d(c_in, 2 * size**2, size, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return deform_conv2d(x, self.conv_offset(x), self.weight, padding=self.weight.shape[2] // 2)


class ConvBN(nn.Module):
    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class Memory(nn.Module):
    def __init__(self, dims: int) -> None:
        super().__init__()
        self.register_buffer('features', F.normalize(torch.randn(5, dims), dim=1))
        self.register_buffer('labels', torch.tensor([0, 1, 1, 2, 0]))


def container(**parts: nn.Module) -> nn.Module:
    module = nn.Module()
    for name, part in parts.items():
        module.add_module(name, part)
    return module


def rpn(width: int, hidden: int, anchors: int) -> nn.Module:
    return container(rpn_conv=nn.Conv2d(width, hidden, 3, padding=1), rpn_cls=nn.Conv2d(hidden, anchors, 1),
                     rpn_reg=nn.Conv2d(hidden, 4 * anchors, 1))


class PublicDICL(nn.Module):
    """The released network's names and what they compute, in any width."""

    def __init__(self, cfg: dict, stages: tuple[int, int, int], hidden: int, fc: int, size: tuple[int, int],
                 dims: int, anchors: int) -> None:
        super().__init__()
        c3, c4, c5 = stages
        bins = size[0] * size[1]
        self.size = size
        self.backbone = MODELS.build(cfg)
        self.neck = container(deform_conv=DeformConv(c4, c4, 3), lateral_conv_8=DeformConv(c3, c4, 1),
                              lateral_conv_32=DeformConv(c5, c4, 1))
        self.rpn_head = rpn(c4, hidden, anchors)
        offsets = container(offset_fc=nn.Sequential(nn.Linear(bins * c4, fc), nn.ReLU(), nn.Linear(fc, fc), nn.ReLU(),
                                                    nn.Linear(fc, 2 * bins)))
        half = c4 // 2
        self.roi_head = container(
            bbox_roi_extractor=container(roi_layers=nn.ModuleList([offsets])),
            bbox_head=container(
                deform_conv=DeformConv(c4, c4, 3),
                cls_convs=nn.ModuleList([ConvBN(c4, half), ConvBN(half, half)]), fc_cls=nn.Linear(half, 2),
                reg_convs=nn.ModuleList([ConvBN(c4, half), ConvBN(half, half)]), fc_reg=nn.Linear(half, 4),
                fc_reid=nn.Linear(bins * c4, dims), id_feature=nn.Linear(c4, dims), gt_id_feature=nn.Linear(c4, dims),
                loss_reid=Memory(dims)))

    def maps(self, images: Tensor) -> Tensor:
        c4, c5 = self.backbone(images)
        fused = c4 + self.neck.lateral_conv_32(c5)
        return fused + self.neck.deform_conv(fused)

    def forward(self, images: Tensor, rois: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scores of the class person, deltas, embeddings."""
        head, maps = self.roi_head.bbox_head, self.maps(images)
        pooled = deform_roi_pool(maps, rois, None, self.size, 1 / 16)
        offsets = self.roi_head.bbox_roi_extractor.roi_layers[0].offset_fc(pooled.flatten(1))
        maps = deform_roi_pool(maps, rois, offsets.view(-1, 2, *self.size), self.size, 1 / 16, gamma=.1)
        crops = self.maps(roi_align(images, rois, CROP_SIZE, aligned=True))
        scene, crops = head.deform_conv(maps), head.deform_conv(crops)
        p, q = (F.normalize(head.fc_reid(x.flatten(1)), dim=1) for x in (scene, crops))
        cls, reg = scene, scene
        for one, other in zip(head.cls_convs, head.reg_convs):
            cls, reg = one(cls), other(reg)
        return head.fc_cls(cls.mean((2, 3))).softmax(1)[:, 0], head.fc_reg(reg.mean((2, 3))), (p + q) / 2


class PublicCGPS(nn.Module):
    def __init__(self, cfg: dict, stage: nn.Module, widths: tuple[int, int], hidden: int, dims: int,
                 anchors: int) -> None:
        super().__init__()
        c4, c5 = widths
        self.backbone, self.rpn_head = MODELS.build(cfg), rpn(c4, hidden, anchors)
        self.roi_head = container(shared_head=stage, bbox_head=container(
            fc_cls=nn.Linear(c5, 2), fc_reg=nn.Linear(c5, 4), id_feature=nn.Linear(c5, dims // 2),
            id_feature1=nn.Linear(c4, dims // 2), loss_reid=Memory(dims)))

    def forward(self, images: Tensor, rois: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        head = self.roi_head.bbox_head
        before = roi_align(self.backbone(images)[0], rois, 14, 1 / 16, aligned=True)
        after = self.roi_head.shared_head(before).amax((2, 3))
        embeds = F.normalize(torch.cat([head.id_feature(after), head.id_feature1(before.amax((2, 3)))], dim=1), dim=1)
        return head.fc_cls(after).softmax(1)[:, 0], head.fc_reg(after), embeds


def small(method: str) -> tuple[nn.Module, nn.Module]:
    """A released network in small with random weights everywhere, and ours of its sizes."""
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    cfg = tiny_model_config(method, num_ids=0).model
    ours = MODELS.build(cfg)
    if method == 'dicl':
        source = PublicDICL(cfg.backbone, (32, 64, 128), 16, 32, MAP_SIZE, 16, anchors=6)
    else:
        source = PublicCGPS(cfg.backbone, MODELS.build(cfg.roi_head.shared_head), (64, 128), 16, 16, anchors=6)
    with torch.no_grad():
        for name, value in source.state_dict().items():
            if name.endswith('running_var') or name.endswith(('bn1.weight', 'bn2.weight')):
                value.uniform_(.5, 1.5)
            elif value.is_floating_point() and 'loss_reid' not in name:
                value.normal_(std=.05)
    return source.eval(), ours.eval()


@pytest.mark.parametrize('method', ['dicl', 'cgps'])
def test_networks_compute_what_they_did_at_their_source(method):
    source, ours = small(method)
    state = source.state_dict()
    assert fitting_layout(state) == method
    converted, _ = convert(state, LAYOUTS[method])
    ours.load_state_dict(converted, strict=True)
    images = 20 * torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores, deltas, embeds = source(images, ROIS)
        head, x = ours.roi_head, ours.extract_feat(images)
        if method == 'dicl':
            maps = head.region_maps(x, ROIS)
            logits, found = head.classifier(maps), head.regressor(maps)
        else:
            c5 = head.pool(x, ROIS)[1]
            logits, found = head.fc_cls(c5), head.fc_reg(c5)
        torch.testing.assert_close(logits.softmax(1)[:, 1], scores)
        torch.testing.assert_close(found, deltas)
        torch.testing.assert_close(head.embed(x, ROIS), embeds, rtol=1e-4, atol=1e-5)
        proposals = source.rpn_head.rpn_conv(x[-1]).relu()
        torch.testing.assert_close(ours.rpn_head(x)[0][0], source.rpn_head.rpn_cls(proposals))
        torch.testing.assert_close(ours.rpn_head(x)[1][0], source.rpn_head.rpn_reg(proposals))
    assert (scores - .5).abs().max() > 1e-3  # the classes differ
    assert embeds.std(dim=0).max() > 1e-3
    assert torch.equal(head.memory.feats, source.roi_head.bbox_head.loss_reid.features)
    assert head.memory.labels.tolist() == [0, 1, 1, 2, 0]


def test_layers_that_are_never_run_are_left_out_by_name():
    _, unused = convert(small('dicl')[0].state_dict(), LAYOUTS['dicl'])
    assert unused == [
        'neck.lateral_conv_8.conv_offset.bias', 'neck.lateral_conv_8.conv_offset.weight', 'neck.lateral_conv_8.weight',
        *(f'roi_head.bbox_head.{layer}.{leaf}' for layer in ('gt_id_feature', 'id_feature') for leaf in ('bias', 'weight'))]


def test_memory_without_labels():
    state = small('cgps')[0].state_dict()
    del state['roi_head.bbox_head.loss_reid.labels']
    with pytest.raises(ValueError, match=r'a memory has features and as many labels, got \[5\] rows; save the whole state'):
        convert(state, LAYOUTS['cgps'])


def released(method: str) -> dict[str, Tensor]:
    """Names and shapes of a released checkpoint for PRW; every tensor is one number, so that the file is small."""
    init_default_scope('pedsearch')
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / f'{method}_r50.py').model
    with torch.device('meta'):
        if method == 'dicl':
            network = PublicDICL(cfg.backbone, (512, 1024, 2048), 1024, 1024, (14, 6), 256, anchors=15)
        else:
            network = PublicCGPS(cfg.backbone, MODELS.build(cfg.roi_head.shared_head), (1024, 2048), 1024, 256, 15)
    state = {name: torch.tensor(.5 if value.is_floating_point() else 1, dtype=value.dtype).expand(value.shape)
             for name, value in network.state_dict().items()}
    memory = 'roi_head.bbox_head.loss_reid.'
    state[f'{memory}features'], state[f'{memory}labels'] = torch.tensor(.5).expand(18048, 256), torch.arange(18048)
    return state


@pytest.fixture
def run(tmp_path, capsys):
    """Runs the command on a state dict; gives its exit status, output and errors."""
    def call(state: dict[str, Tensor], *args: object) -> tuple[int, str, str]:
        torch.save(dict(meta=dict(epoch=20, CLASSES=('person', )), state_dict=state), tmp_path / 'source.pth')
        status = search_weights.main([str(arg) for arg in (tmp_path / 'source.pth', tmp_path / 'out' / 'target.pth', *args)])
        return status, *capsys.readouterr()
    return call


@pytest.mark.parametrize(('method', 'config', 'parameters'), [
    ('dicl', 'dicl/dicl_r50_1xb4-26e_prw.py', 180_867_169), ('cgps', 'cgps/cgps_r50_1xb5-24e_prw.py', 33_428_881)])
@pytest.mark.parametrize('with_config', [False, True])
def test_released_checkpoints_become_complete_ones(run, tmp_path, method, config, parameters, with_config):
    """At full size; the unused layers of DICL are among its 180.87 million parameters."""
    state = released(method)
    assert sum(value.numel() for name, value in state.items() if 'loss_reid' not in name and not name.endswith(
        ('running_mean', 'running_var', 'num_batches_tracked'))) == parameters
    status, printed, error = run(state, *(('--config', CONFIGS / config) if with_config else ()))
    assert status == 0, error
    assert f'of {method.upper()}, for models like configs/_base_/models/{method}_r50.py' in printed
    assert 'note: the memory has 18048 slots' in printed
    assert ('roi_head.bbox_head.gt_id_feature.weight' in printed) == (method == 'dicl')
    written = torch.load(tmp_path / 'out' / 'target.pth', weights_only=True)
    assert written['meta'] == dict(source='source.pth', layout=method, config=f'{method}_r50.py')
    with torch.device('meta'):
        model = MODELS.build(Config.fromfile(CONFIGS / config).model)
    model.load_state_dict(written['state_dict'], strict=True, assign=True)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda state: state.pop('roi_head.bbox_head.fc_reid.weight'), 'dicl_r50.py: missing roi_head.fc_embed.weight'),
    (lambda state: state.update({'roi_head.bbox_head.fc_reid.weight': torch.zeros(256, 100)}),
     'roi_head.fc_embed.weight has shape (256, 100) instead of (256, 86016)'),
    (lambda state: state.update({'roi_head.bbox_head.loss_reid.features': torch.zeros(18048, 128)}),
     'roi_head.memory.feats has shape (18048, 128) instead of (18048, 256)'),
    (lambda state: state.update({'roi_head.bbox_head.se.weight': torch.zeros(1)}),
     'the nearest is dicl, which does not know roi_head.bbox_head.se.weight'),
    (lambda state: [state.pop(name) for name in list(state) if name.startswith('backbone.layer2')],
     'missing backbone.layer2.0.bn1.bias; missing'),
])
def test_what_does_not_fit_is_named_in_one_line(run, tmp_path, change, message):
    state = released('dicl')
    change(state)
    status, _, error = run(state)
    assert status == 1
    assert error.startswith('error: ')
    assert error.count('\n') == 1
    assert message in error
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(('model', 'message'), [
    ("backbone=dict(style='pytorch')", "the weights need backbone.style='caffe', the config has 'pytorch'"),
    ('roi_head=dict(instance_branch=False)',
     'the weights need roi_head.instance_branch=True, the config has False'),
    ('roi_head=dict(bbox_coder=dict(target_stds=[1., 1., 1., 1.]))', 'the weights need roi_head.bbox_coder='),
    ('crop_size=(256, 128)', 'the weights need crop_size=[224, 96], the config has [256, 128]'),
    ('roi_head=dict(embed_dims=128)', 'roi_head.fc_embed.weight has shape (256, 86016) instead of (128, 86016)')])
def test_a_config_that_does_not_fit(run, tmp_path, model, message):
    (tmp_path / 'config.py').write_text(f"_base_ = '{CONFIGS / '_base_' / 'models' / 'dicl_r50.py'}'\nmodel = dict({model})")
    status, _, error = run(released('dicl'), '--config', tmp_path / 'config.py')
    assert status == 1
    assert message in error


def test_a_checkpoint_without_memory(run):
    state = {name: value for name, value in released('cgps').items() if 'loss_reid' not in name}
    status, printed, error = run(state)
    assert status == 0, error
    assert 'memory' not in printed


def test_command_line_without_a_file(tmp_path):
    result = subprocess.run([sys.executable, TOOLS / 'search_weights.py', tmp_path / 'none.pth', tmp_path / 'out.pth'],
                            capture_output=True, text=True)
    assert result.returncode == 1
    assert 'error: expected a weight file, found none at' in result.stderr
