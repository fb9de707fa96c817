import os
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.test_models.test_reid.test_osnet import randomize

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / 'tools' / 'model_converters'))
import openvino_osnet  # noqa: E402
from openvino_osnet import build, calibrate, constants_of, convert, network_input, parameter_order  # noqa: E402

SETTINGS = dict(
    backbone=dict(type='OSNet', width=0.5, variant='lct'), embed_dims=256,
    pooling=dict(type='WeightedPooling', channels=256),
    neck=dict(type='FCNeck', in_channels=256, embed_dims=256, activation='PReLU'))


def features(net: torch.nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
    return net['neck'](net['pooling'](net['backbone'](x)[-1]))


def folded(net: torch.nn.ModuleDict) -> dict[str, torch.Tensor]:
    """Each batch norm's scale and shift: the scale in the convolution before it, the shift as its bias."""
    state = {name: value.clone() for name, value in net.state_dict().items()}
    for name in [name for name in state if name.endswith('running_var')]:
        norm = name.removesuffix('.running_var')
        scale = state[f'{norm}.weight'] / (state[name] + 1e-5).sqrt()
        state[f'{norm}.bias'] = state[f'{norm}.bias'] - state[f'{norm}.running_mean'] * scale
        before = next((norm.removesuffix('bn') + conv + '.weight' for conv in ('conv', 'conv2')
                       if norm.removesuffix('bn') + conv + '.weight' in state), None)
        if before:
            state[before] = state[before] * scale.view(-1, 1, 1, 1)
        else:  # the neck's stays a scale and a shift
            state[f'{norm}.weight'] = scale
    return state


@pytest.fixture
def network(tmp_path):
    """A network with random values, and its two files."""
    net = randomize(build(SETTINGS))
    state = folded(net)
    values = [torch.zeros(3), torch.ones(3), *(state[name] for name in parameter_order())]
    layers, content = '', b'\0' * 8
    for index, value in enumerate(values):
        value = value.float().numpy().tobytes()
        layers += (f'<layer id="{index}" type="Const"><data element_type="f32" shape="?" offset="{len(content)}" '
                   f'size="{len(value)}"/></layer>')
        content += value
    layers += '<layer id="999" type="Const"><data element_type="i64" shape="1" offset="0" size="8"/></layer>'
    (tmp_path / 'net.xml').write_text(f'<?xml version="1.0"?><net><layers>{layers}</layers></net>')
    (tmp_path / 'net.bin').write_bytes(content)
    return net.float(), tmp_path / 'net.xml'


def test_converted_network_computes_the_same(network, tmp_path, capsys):
    net, path = network
    assert openvino_osnet.main([str(path), str(tmp_path / 'out.pth')]) == 0
    assert "backbone = {'type': 'OSNet', 'width': 0.5, 'variant': 'lct'}" in capsys.readouterr().out
    content = torch.load(tmp_path / 'out.pth', weights_only=True)
    assert content['meta']['model'] == SETTINGS
    ours = build(content['meta']['model'])
    ours.load_state_dict(content['state_dict'])
    ours.eval()
    x = torch.randn(2, 3, 256, 128)
    with torch.no_grad():
        expected = features(net, x)
        torch.testing.assert_close(features(ours, x), expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_calibration_changes_nothing_but_how_training_starts(network):
    _, path = network
    torch.manual_seed(0)
    net = build(SETTINGS)
    net.load_state_dict(convert(constants_of(path), SETTINGS))
    net.double().eval()
    x = torch.randn(6, 3, 256, 128, dtype=torch.float64)
    with torch.no_grad():
        expected = features(net, x)
        net.train()
        assert not torch.allclose(features(net, x), expected, rtol=0.1)
    net = build(SETTINGS)
    net.load_state_dict(convert(constants_of(path), SETTINGS))
    net.double()
    net.load_state_dict(calibrate(net, x))
    with torch.no_grad():
        net.eval()
        close = dict(rtol=1e-3, atol=1e-4 * expected.abs().max().item())  # a channel may hardly vary: float32 shows
        torch.testing.assert_close(features(net, x), expected, **close)
        net.train()  # the batch's statistics are those of the calibration
        torch.testing.assert_close(features(net, x), expected, **close)


def test_folded_norms_do_nothing(network):
    variances = [value for name, value in convert(constants_of(network[1]), SETTINGS).items() if 'running_var' in name]
    torch.testing.assert_close(torch.cat(variances).double() + 1e-5, torch.ones(sum(map(len, variances))).double(),
                               rtol=0, atol=1e-7)


@pytest.mark.parametrize(('change', 'message'), [
    (lambda path: path.unlink(), 'error: expected an OpenVINO network in two files, found no'),
    (lambda path: path.write_text('<net>'), 'is no OpenVINO network'),
    (lambda path: path.write_text('<net><layers/></net>'), 'constants of a person-reidentification-retail model'),
    (lambda path: path.with_suffix('.bin').write_bytes(b'1234'), 'bytes or more, got 4; fetch both files again'),
])
def test_files_that_do_not_fit(network, tmp_path, capsys, change, message):
    change(network[1])
    assert openvino_osnet.main([str(network[1]), str(tmp_path / 'out.pth')]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out.pth').exists()


def test_a_gate_whose_copies_differ_is_refused(network):
    constants = constants_of(network[1])
    place = 2 + max(i for i, name in enumerate(parameter_order()) if name == 'backbone.conv2.0.gate.fc1.bias')
    constants[place] = constants[place] + 1
    with pytest.raises(ValueError, match='backbone.conv2.0.gate.fc1.bias has 2 values, the file has 2 or others'):
        convert(constants, SETTINGS)


def test_calibration_folder_without_pictures(network, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    assert openvino_osnet.main([str(network[1]), str(tmp_path / 'o.pth'), '--calibrate', str(tmp_path / 'empty')]) == 1
    assert 'error: expected .jpg or .png pictures of people in' in capsys.readouterr().err


def test_calibration_from_the_command_line(network, tmp_path):
    for index in range(4):
        mmcv.imwrite(np.random.default_rng(index).integers(0, 256, (20, 10, 3), np.uint8), str(tmp_path / f'{index}.png'))
    assert openvino_osnet.main([str(network[1]), str(tmp_path / 'out.pth'), '--calibrate', str(tmp_path),
                                '--max-images', '2']) == 0
    state = torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']
    assert state['backbone.conv5.bn.running_mean'].abs().sum() > 0


@pytest.mark.parametrize(('model', 'expected'), [
    ('0277/FP16', [-0.072531, 0.003672, 0.071479, 0.02416, 0.128874]),
    ('0287/FP32', [-0.090496, -0.019896, 0.00636, 0.040455, 0.150123])])
def test_real_models_give_what_openvino_gives(model, expected):
    """The first five of 256 values, normalised, as OpenVINO 2026.4 computes them in float32 for a made-up picture."""
    folder = Path(os.environ.get('PEDSEARCH_DATA', ROOT / '../shared/data')) / 'openvino_reid'
    number, precision = model.split('/')
    path = folder / f'person-reidentification-retail-{model}' / f'person-reidentification-retail-{number}.xml'
    if not path.is_file():
        pytest.skip(f'no real models at {folder}; set PEDSEARCH_DATA')
    constants = constants_of(path)
    settings = openvino_osnet.settings_of(constants)
    net = build(settings)
    net.load_state_dict(convert(constants, settings))
    net.eval()
    picture = (torch.arange(3 * 256 * 128).view(3, 256, 128) * 7919 % 256).byte().permute(1, 2, 0).numpy()
    with torch.no_grad():
        embed = F.normalize(features(net, network_input([picture])))[0]
    torch.testing.assert_close(embed[:5], torch.tensor(expected), rtol=0, atol=2e-5)
