import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from pedsearch.registry import MODELS
from tests.test_models.test_reid.test_osnet import plain_osnet, randomize

TOOLS = Path(__file__).parents[3] / 'tools' / 'model_converters'
sys.path.append(str(TOOLS))
import reid_weights  # noqa: E402
from reid_layouts import LAYOUTS, convert, fitting_layout, needed_settings  # noqa: E402


@pytest.fixture
def run(capsys):
    """Runs the command; gives its exit status, output and errors."""
    def call(*args: object) -> tuple[int, str, str]:
        status = reid_weights.main([str(arg) for arg in args])
        return status, *capsys.readouterr()
    return call


def pictures() -> Tensor:
    return torch.randn(3, 3, 64, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def trunk() -> nn.Module:
    net = torchvision.models.resnet18()
    net.layer4[0].conv1.stride = net.layer4[0].downsample[0].stride = (1, 1)
    net.fc = nn.Identity()
    return net


def trunk_map(net: nn.Module, x: Tensor, relu: bool = True, ceil: bool = False) -> Tensor:
    x = net.bn1(net.conv1(x))
    x = F.relu(x) if relu else x
    x = F.max_pool2d(x, 3, 2, 0, ceil_mode=True) if ceil else F.max_pool2d(x, 3, 2, 1)
    return net.layer4(net.layer3(net.layer2(net.layer1(x))))


def replace_norms(net: nn.Module, kind: type) -> nn.Module:
    for name, child in net.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            setattr(net, name, kind(child))
        else:
            replace_norms(child, kind)
    return net


class GeM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p = nn.Parameter(torch.tensor([3.]))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=1e-6).pow(self.p).mean((2, 3), keepdim=True).pow(1 / self.p)


class SequentialSource(nn.Module):
    """Cluster Contrast and SpCL: the trunk in an nn.Sequential."""

    def __init__(self, gem: bool = True, embedding: bool = False) -> None:
        super().__init__()
        net = trunk()
        self.base = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3,
                                  net.layer4)
        self.gap = GeM() if gem else nn.AdaptiveAvgPool2d(1)
        if embedding:
            self.feat = nn.Linear(512, 20)
        self.feat_bn = nn.BatchNorm1d(20 if embedding else 512)

    def forward(self, x: Tensor) -> Tensor:
        x = self.gap(self.base(x)).flatten(1)
        return self.feat_bn(self.feat(x) if hasattr(self, 'feat') else x)


class TwoNorms(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.BN_S, self.BN_T = type(norm)(norm.num_features), type(norm)(norm.num_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.BN_T(x)


class NormOfDomains(nn.Module):
    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.dsbn = nn.ModuleList([type(norm)(norm.num_features) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        return self.dsbn[1](x)


class OpenUnReID(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.global_pooling, self.head = trunk(), GeM(), nn.Module()
        self.head.feat_bn = nn.BatchNorm1d(512)
        self.classifier = nn.Linear(512, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head.feat_bn(self.global_pooling(trunk_map(self.backbone, x)).flatten(1))


class TeacherStudent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net, self.mean_net = (replace_norms(OpenUnReID(), NormOfDomains) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return self.mean_net(x)


class BoT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.base, self.bottleneck, self.classifier = trunk(), nn.BatchNorm1d(512), nn.Linear(512, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bottleneck(trunk_map(self.base, x, relu=False).mean((2, 3)))


class NonLocal(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.g, self.theta, self.phi = (nn.Conv2d(channels, 1, 1) for _ in range(3))
        self.W = nn.Sequential(nn.Conv2d(1, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        spoken = (self.phi(x) * self.g(x)).mean((2, 3), keepdim=True)  # of one channel the product may be re-ordered
        return x + self.W(self.theta(x) * spoken)


class FastReID(nn.Module):
    """The pooling layer with rounding up, non-local blocks after the last blocks, a batch norm of maps as neck."""

    def __init__(self, embedding: bool = False) -> None:
        super().__init__()
        self.backbone, self.heads = trunk(), nn.Module()
        self.backbone.NL_1, self.backbone.NL_4 = nn.ModuleList(), nn.ModuleList()
        self.backbone.NL_2 = nn.ModuleList([NonLocal(128)])
        self.backbone.NL_3 = nn.ModuleList([NonLocal(256), NonLocal(256)])
        self.heads.pool_layer = GeM()
        width = 20 if embedding else 512
        self.heads.bottleneck = nn.Sequential(*[nn.Conv2d(512, 20, 1, bias=False)] * embedding, nn.BatchNorm2d(width))
        self.heads.weight = nn.Parameter(torch.zeros(4, width))
        self.register_buffer('pixel_mean', torch.zeros(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        net = self.backbone
        x = F.max_pool2d(F.relu(net.bn1(net.conv1(x))), 3, 2, 0, ceil_mode=True)
        x = net.NL_2[0](net.layer2(net.layer1(x)))
        x = net.NL_3[1](net.layer3[1](net.NL_3[0](net.layer3[0](x))))
        return self.heads.bottleneck(self.heads.pool_layer(net.layer4(x)))[:, :, 0, 0]


class TorchreidResNet(nn.Module):
    def __new__(cls) -> nn.Module:
        net = trunk()
        net.fc = nn.Sequential(nn.Linear(512, 20), nn.BatchNorm1d(20), nn.ReLU())
        net.classifier = nn.Linear(20, 4)
        net.forward = lambda x: net.fc(trunk_map(net, x).mean((2, 3)))
        return net


WHOLE_MODELS = {
    'cluster_contrast': SequentialSource,
    'cluster_contrast embedding': lambda: SequentialSource(gem=False, embedding=True),
    'spcl_uda': lambda: replace_norms(SequentialSource(gem=False), TwoNorms),
    'openunreid': lambda: replace_norms(OpenUnReID(), NormOfDomains),
    'openunreid averaged': TeacherStudent,
    'bot': BoT,
    'fast_reid': FastReID,
    'fast_reid_embedding': lambda: FastReID(embedding=True),
    'torchreid_resnet': TorchreidResNet,
}


def our_model(state: dict[str, Tensor], layout: str) -> nn.Module:
    converted = convert(state, LAYOUTS[layout])
    settings = needed_settings(converted, LAYOUTS[layout])
    model = MODELS.build(dict(type='ReIDModel', head=dict(type='BoTHead', num_classes=4), **settings)).double()
    keys = model.load_state_dict(converted, strict=False)
    assert keys.unexpected_keys == []
    assert all(name.startswith('head.') for name in keys.missing_keys)
    return model.eval()


@pytest.mark.parametrize('case', WHOLE_MODELS)
def test_models_compute_what_they_did_at_their_source(case):
    """T27."""
    layout = case.split()[0]
    source = randomize(WHOLE_MODELS[case]())
    for module in source.modules():
        if isinstance(module, GeM):
            module.p.data.fill_(2.5)
    expected = source(pictures())
    state = source.state_dict()
    assert fitting_layout(state) == layout
    model = our_model(state, layout)
    feats = model.neck(model.pooled_feat(pictures()))
    assert expected.std(dim=0).mean() > 1e-3
    torch.testing.assert_close(feats, expected, rtol=1e-5, atol=1e-5)


def torchreid_names_of_ain(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Random values of torchreid's OSNet-AIN, named there; built from the list of its layers."""
    names = {}
    for name, value in state.items():
        parts = name.split('.')
        if parts[2:3] and parts[2][:5] == 'conv2' and len(parts[2]) == 6:
            stream = 'abcd'.index(parts[2][5])
            layer = ['0'] if stream == 0 else []
            parts[2:3] = ['conv2', str(stream), 'layers', *layer]
        elif parts[1] == '2':
            parts[:2] = [f'pool{parts[0][-1]}']
        names['.'.join(parts)] = value
    return names


@pytest.mark.parametrize('variant', ['plain', 'ibn', 'ain'])
def test_torchreid_osnet_computes_what_it_did_at_its_source(variant):
    """T27."""
    body = randomize(MODELS.build(dict(type='OSNet', width=0.25, variant=variant))).state_dict()
    body = torchreid_names_of_ain(body) if variant == 'ain' else body
    assert ('conv2.1.conv2.3.layers.2.bn.weight' in body) == (variant == 'ain')
    head = nn.Module()
    head.fc, head.classifier = nn.Sequential(nn.Linear(128, 512), nn.BatchNorm1d(512), nn.ReLU()), nn.Linear(512, 4)
    randomize(head)
    state = {**body, **head.state_dict()}
    assert fitting_layout(state) == 'torchreid_osnet'
    model = our_model(state, 'torchreid_osnet')
    assert (model.backbone.feat_dim, type(model.neck).__name__) == (128, 'FCNeck')
    expected = head.fc(plain_osnet(state, pictures(), variant).mean((2, 3)))
    torch.testing.assert_close(model.neck(model.pooled_feat(pictures())), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('layout', ['torchvision', 'moco', 'torchvision_mobilenet', 'torchvision_mobilenet_flat'])
def test_backbones_compute_what_they_did_at_their_source(layout):
    """T27."""
    if 'mobilenet' in layout:
        source = torchvision.models.mobilenet_v2(num_classes=2)
        if layout.endswith('flat'):
            for block in source.features[1:18]:
                block.conv = nn.Sequential(*(leaf for part in block.conv for leaf in (
                    part if isinstance(part, nn.Sequential) else [part])))
        expected = randomize(source).features(pictures())
        state, options = source.state_dict(), dict(last_stride=2)
    else:
        source = randomize(trunk())
        expected = trunk_map(source, pictures())
        state, options = {**source.state_dict(), 'fc.weight': torch.zeros(2, 512)}, {}
    if layout == 'moco':
        state = {f'encoder_q.{name}': value for name, value in state.items()}
        state.update({f'encoder_k.{name[10:]}': torch.zeros_like(value) for name, value in state.items()})
        state.update(queue=torch.zeros(8, 16), queue_ptr=torch.zeros(1))
    assert fitting_layout(state) == layout
    converted = convert(state, LAYOUTS[layout])
    backbone = MODELS.build({**needed_settings(converted, LAYOUTS[layout])['backbone'], **options}).double()
    backbone.load_state_dict({name.removeprefix('backbone.'): value for name, value in converted.items()})
    backbone.eval()
    torch.testing.assert_close(backbone(pictures())[-1], expected, rtol=1e-5, atol=1e-5)


def test_needed_settings():
    ibn = MODELS.build(dict(type='ReIDResNet', depth=50, ibn='a', base_channels=8, stem_channels=8)).state_dict()
    unused = {'base.fc.weight': torch.ones(3, 512), 'base.fc.bias': torch.ones(3)}  # the network has it and skips it
    bot = convert({f'base.{name}': value for name, value in ibn.items()} | unused, LAYOUTS['bot'])
    # BoT's networks with instance norm have the ReLU that the others lack
    assert needed_settings(bot, LAYOUTS['bot']) == dict(backbone=dict(type='ReIDResNet', depth=50, ibn='a'))
    agw = FastReID().state_dict()
    del agw['heads.pool_layer.p']  # a fixed power, or the average: the file does not say
    assert needed_settings(convert(agw, LAYOUTS['fast_reid']), LAYOUTS['fast_reid']) == dict(
        backbone=dict(type='ReIDResNet', depth=18, stem_pool='ceil', non_local=(0, 1, 2, 0)),
        neck=dict(type='BNNeck', in_channels=512), embed_dims=512)


@pytest.fixture
def bot_file(tmp_path):
    source = randomize(BoT())
    torch.save(dict(model={f'module.{name}': value.half() if value.is_floating_point() else value
                           for name, value in source.state_dict().items()}), tmp_path / 'bot.pth')
    return tmp_path / 'bot.pth'


CONFIG = '''
model = dict(type='pedsearch.ReIDModel', backbone=dict(type='ReIDResNet', depth=18{backbone}), embed_dims=512,
             head=dict(type='BoTHead', num_classes={classes}))
'''


def test_command_writes_a_checkpoint_that_fits_the_config(bot_file, tmp_path, run):
    (tmp_path / 'config.py').write_text(CONFIG.format(backbone=', stem_relu=False', classes=9))
    status, printed, error = run(bot_file, tmp_path / 'deep' / 'out.pth', '--config', tmp_path / 'config.py')
    assert status == 0, error
    assert 'tensors of layout bot (reid-strong-baseline (BoT)); its model:' in printed
    assert "backbone = {'type': 'ReIDResNet', 'depth': 18, 'stem_relu': False}" in printed
    assert "note: head.classifier.weight does not fit the config's head" in printed
    assert 'note: the file has no pooling.p, the config keeps its own' in printed
    assert "note: the neck's bias is not zero" in printed
    content = torch.load(tmp_path / 'deep' / 'out.pth', weights_only=True)
    assert content['meta']['layout'] == 'bot'
    assert {value.dtype for value in content['state_dict'].values()} == {torch.float32, torch.int64}
    source = torch.load(bot_file, weights_only=True)['model']
    torch.testing.assert_close(content['state_dict']['neck.norm.running_mean'],
                               source['module.bottleneck.running_mean'].float())
    assert not list(tmp_path.rglob('*.partial'))


@pytest.mark.parametrize(('backbone', 'message'), [
    ('', 'the backbone needs stem_relu=False, the config has True'),
    (', stem_relu=False, ibn="a"', 'missing backbone.layer1.0.bn1.IN.weight'),
    (', stem_relu=False, in_channels=1', 'backbone.conv1.weight has shape (64, 3, 7, 7) instead of (64, 1, 7, 7)'),
])
def test_a_config_that_does_not_fit(bot_file, tmp_path, run, backbone, message):
    (tmp_path / 'config.py').write_text(CONFIG.format(backbone=backbone, classes=4))
    status, _, error = run(bot_file, tmp_path / 'out.pth', '--config', tmp_path / 'config.py')
    assert status == 1
    assert error.startswith('error: the weights do not fit the config: ')
    assert error.count('\n') == 1
    assert message in error
    assert not (tmp_path / 'out.pth').exists()


def test_unknown_names_are_named():
    state = {**BoT().state_dict(), 'base.layer1.0.se.weight': torch.zeros(1)}
    with pytest.raises(ValueError, match=r'no layout knows all \d+ names of the file; the nearest is bot, which does '
                                         r'not know base\.layer1\.0\.se\.weight$'):
        fitting_layout(state)
    with pytest.raises(ValueError, match=r"the file is not of reid-strong-baseline \(BoT\): .*'base.layer1.0.se.weight'"):
        convert(state, LAYOUTS['bot'])


def test_a_file_of_two_possible_sources_asks_for_one():
    state = {f'backbone.{name}': value for name, value in trunk().state_dict().items()}
    with pytest.raises(ValueError, match='the names fit openunreid and fast_reid and fast_reid_embedding, which need '
                                         'different networks; name the source with --layout'):
        fitting_layout(state)


def test_nothing_of_use():
    with pytest.raises(ValueError, match='the file is not of torchvision ResNet'):
        convert({'fc.weight': torch.zeros(1)}, LAYOUTS['torchvision'])


@pytest.mark.parametrize(('content', 'message'), [
    (None, 'error: expected a weight file, found none at'),
    ([1, 2], 'must hold tensors by name, got list'),
    (dict(state_dict=dict(a=1)), 'must hold tensors by name, got dict'),
])
def test_files_that_are_none(tmp_path, run, content, message):
    if content is not None:
        torch.save(content, tmp_path / 'source.pth')
    status, _, error = run(tmp_path / 'source.pth', tmp_path / 'out.pth')
    assert status == 1
    assert message in error
    assert not (tmp_path / 'out.pth').exists()


def test_command_line(bot_file, tmp_path):
    result = subprocess.run([sys.executable, TOOLS / 'reid_weights.py', bot_file, tmp_path / 'out.pth'],
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert 'tensors of layout bot' in result.stdout
