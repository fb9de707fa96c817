"""The tool: what it prints, when it does nothing, how it fails."""

import functools
import importlib.util
import sys
from pathlib import Path

import pytest

from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.toy_world import ToyWorldConfig

TOOL = Path(__file__).parents[2] / 'tools' / 'make_toy_scenes.py'

SMALL = ToyWorldConfig(
    image_size=(36, 64), num_cameras=2, num_train_ids=4, num_test_ids=4, num_train_images=4, num_test_images=6,
    people=(2, 3), person_height=(10.0, 22.0),
)  # fmt: skip


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location('make_toy_scenes', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(module.PRESETS, 'tiny', SMALL)
    monkeypatch.setattr(module, 'write_toy_scenes', functools.partial(module.write_toy_scenes, make_body=PrismBody))
    return module


def run(tool, monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['make_toy_scenes.py', *map(str, arguments)])
    return tool.main()


def test_writes_then_skips(tool, monkeypatch, tmp_path, capsys):
    arguments = ('--preset', 'tiny', '--out', tmp_path / 'toy', '--workers', 1)
    assert run(tool, monkeypatch, *arguments) == 0
    printed = capsys.readouterr().out
    assert 'rendered in' in printed
    assert 'train: 4 images' in printed
    assert 'test: 6 images' in printed
    assert len(list((tmp_path / 'toy' / 'images').iterdir())) == 10
    assert run(tool, monkeypatch, *arguments) == 0
    assert 'already there, nothing to do' in capsys.readouterr().out
    assert run(tool, monkeypatch, *arguments, '--seed', 1) == 0
    assert 'rendered in' in capsys.readouterr().out


def test_one_line_on_error(tool, monkeypatch, tmp_path, capsys):
    (tmp_path / 'letter.txt').write_text('mine')
    assert run(tool, monkeypatch, '--preset', 'tiny', '--out', tmp_path, '--workers', 1) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert error.count('\n') == 1


@pytest.mark.parametrize('workers', [0, -1])
def test_workers_must_be_positive(tool, monkeypatch, tmp_path, capsys, workers):
    assert run(tool, monkeypatch, '--preset', 'tiny', '--out', tmp_path / 'toy', '--workers', workers) == 1
    assert f'workers must be >= 1, got {workers}' in capsys.readouterr().err
