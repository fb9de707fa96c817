"""Oracles: what reaches the RoI head, sums over parameters, and the numbers that the command writes."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch

from tests.toy_models import tiny_model, tiny_model_config

TOOL = Path(__file__).parents[3] / 'tools/analysis_tools/benchmark.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('benchmark', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_person_boxes_lie_in_the_image(tool) -> None:
    boxes = tool.person_boxes(200, 60, 90)
    assert boxes.shape == (200, 4)
    assert (boxes >= 0).all()
    assert (boxes <= torch.tensor([90., 60., 90., 60.])).all()
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    assert torch.allclose(width, 0.4 * height, atol=1e-4)
    assert torch.equal(boxes, tool.person_boxes(200, 60, 90))


@pytest.mark.parametrize('method', ['oim', 'nae', 'seqnet'])
def test_every_step_gives_the_head_the_same_load(tool, method: str) -> None:
    model = tiny_model(method).eval()
    proposed, candidates = [], []
    run_rpn, run_head = model.rpn_head.predict, model.roi_head.candidates
    model.rpn_head.predict = lambda *args, **kwargs: proposed.append(1) or run_rpn(*args, **kwargs)
    tool.fix_proposals(model, 23)

    def spy(x, proposals, sizes):
        found = run_head(x, proposals, sizes)
        candidates.append([(len(boxes), len(one.scores)) for boxes, one in zip(proposals, found)])
        return found

    model.roi_head.candidates = spy
    batch = tool.make_batch(2, 96, 128)
    seconds, found = tool.measure(model, batch, torch.device('cpu'), warmup=1, steps=2, amp=None)
    assert len(seconds) == 2
    assert min(seconds) > 0
    assert len(proposed) == len(candidates) == 3
    assert len(found) == 2
    assert candidates[0] == candidates[1] == candidates[2]
    assert all(given == 23 for given, _ in candidates[0])
    if method != 'seqnet':  # whose candidates have passed a suppression
        assert all(kept == 23 for _, kept in candidates[0])


def test_parameters_are_counted_once(tool) -> None:
    model = tiny_model('seqnet')
    counts = tool.count_parameters(model)
    assert set(counts) == {'backbone', 'rpn_head', 'roi_head', 'all'}
    assert counts['all'] == sum(parameter.numel() for parameter in model.parameters())
    assert counts['rpn_head'] == 64 * 16 * 9 + 16 + (16 + 1) * 6 * 5  # 3 x 3 layer; 6 anchors with score and box


def test_command_writes_its_numbers(tool, tmp_path: Path, monkeypatch, capsys) -> None:
    tiny_model_config('nae').dump(tmp_path / 'config.py')
    out = tmp_path / 'out.json'
    monkeypatch.setattr(sys, 'argv', [
        'benchmark.py', str(tmp_path / 'config.py'), '--shape', '96', '128', '--device', 'cpu', '--proposals', '9',
        '--steps', '3', '--amp', 'bfloat16', '--out', str(out)])
    tool.main()
    result = json.loads(out.read_text())
    assert result['fps'] == pytest.approx(1000 / result['latency_ms'])
    assert result['latency_min_ms'] <= result['latency_ms'] <= result['latency_max_ms']
    assert 50 < result['memory_before_mib'] <= result['peak_memory_mib']
    assert 0 < result['detections'] <= 9
    assert f'{result["fps"]:.2f} images/s' in capsys.readouterr().out


@pytest.mark.parametrize('wrong', [['--shape', '0', '10'], ['--steps', '0'], ['--proposals', '0']])
def test_empty_load_is_refused(tool, monkeypatch, capsys, wrong: list) -> None:
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', 'config.py', *wrong])
    with pytest.raises(SystemExit):
        tool.main()
    assert '--shape, --batch-size, --proposals and --steps must be >= 1' in capsys.readouterr().err
