import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from mmengine.registry import init_default_scope

from pedsearch.models.layers import ResNetStage
from pedsearch.registry import MODELS

TOOL = Path(__file__).parents[3] / 'tools' / 'model_converters' / 'torchvision_backbone.py'


def run(*args: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, TOOL, *map(str, args)], capture_output=True, text=True)


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    state = torchvision.models.resnet18().state_dict()
    torch.save({f'module.{name}': value.half() if value.is_floating_point() else value
                for name, value in state.items()}, tmp_path / 'source.pth')
    return state


def test_backbone_and_last_stage_load_what_was_converted(weights, tmp_path):
    result = run(tmp_path / 'source.pth', tmp_path / 'out.pth', '--arch', 'resnet18')
    assert result.returncode == 0, result.stderr
    assert '120 tensors of resnet18' in result.stdout
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'out.pth'))
    init_default_scope('pedsearch')
    backbone = MODELS.build(dict(type='mmdet.ResNet', depth=18, num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1),
                                 out_indices=(2, ), init_cfg=init_cfg))
    stage = ResNetStage(depth=18, init_cfg=init_cfg)
    backbone.init_weights()
    stage.init_weights()
    loaded = {**backbone.state_dict(), **stage.state_dict()}
    for name, value in loaded.items():
        torch.testing.assert_close(value, weights[name].half().float() if value.is_floating_point() else weights[name])
    assert len(loaded) == 120


def test_what_does_not_match_is_named(weights, tmp_path):
    state = torchvision.models.resnet18().state_dict()
    state['surplus'] = state.pop('layer1.0.conv1.weight')
    torch.save(state, tmp_path / 'source.pth')
    result = run(tmp_path / 'source.pth', tmp_path / 'out.pth', '--arch', 'resnet18')
    assert result.returncode == 1
    assert result.stderr.strip() == ('error: the file is not a resnet18: missing layer1.0.conv1.weight; '
                                     'unknown surplus')
    assert not (tmp_path / 'out.pth').exists()


class Payload:
    """Leaves a mark when it is unpickled."""

    def __reduce__(self):
        return (open, ('opened', 'w'))


def test_files_that_run_code_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(state_dict=Payload()), tmp_path / 'source.pth')
    result = run(tmp_path / 'source.pth', tmp_path / 'out.pth')
    assert result.returncode == 1
    assert 'is no plain weight file' in result.stderr
    assert not (tmp_path / 'opened').exists()


def test_absent_file(tmp_path):
    assert 'error: expected a weight file, found none at' in run(tmp_path / 'no.pth', tmp_path / 'out.pth').stderr
