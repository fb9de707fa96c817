"""Oracle: curves worked out by hand from records as mmengine writes them."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

TOOL = Path(__file__).parents[3] / 'tools/analysis_tools/plot_curves.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('plot_curves', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(factor: float = 1., epochs: range = range(3)) -> list[dict]:
    """10 iterations an epoch, logged after 4, 8, ... of them and at their end."""
    found = []
    for epoch in epochs:
        found.append({'pseudo_labels/ari': factor * .3 * epoch, 'step': epoch})
        found += [dict(loss=factor / (10 * epoch + place), lr=.1, epoch=epoch + 1, iter=10 * epoch + place,
                       step=10 * epoch + place) for place in (4, 8, 10)]
        found.append({'reid/mAP': factor * .2 * epoch, 'step': epoch + 1})
    return found


def write(path: Path, lines: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return path


def test_everything_is_placed_by_epochs_trained(tool) -> None:
    epochs, values = tool.curve(records(), 'ari')
    assert epochs.tolist() == [0, 1, 2]
    assert values.tolist() == pytest.approx([0, .3, .6])
    assert tool.curve(records(), 'reid/mAP')[0].tolist() == [1, 2, 3]
    epochs, values = tool.curve(records(), 'loss')
    assert epochs.tolist() == pytest.approx([.4, .8, 1, 1.4, 1.8, 2, 2.4, 2.8, 3])
    assert values[0] == pytest.approx(1 / 4)
    assert tool.curve([dict(loss=2., step=7)], 'loss') == (np.array([7]), np.array([2.]))
    assert len(tool.curve(records(), 'map')[0]) == 0


def test_resumed_run_is_one_line(tool, tmp_path: Path) -> None:
    write(tmp_path / 'run/20260101_000000/vis_data/scalars.json', records(epochs=range(2)))
    write(tmp_path / 'run/20260102_000000/vis_data/scalars.json', records(2., epochs=range(1, 3)))
    epochs, values = tool.curve(tool.read_records(tmp_path / 'run'), 'ari')
    assert epochs.tolist() == [0, 1, 2]
    assert values.tolist() == pytest.approx([0, .6, 1.2])


@pytest.mark.parametrize('name', ['run', 'run/20260101_000000/vis_data/scalars.json', 'run/x.json'])
def test_run_is_named_after_its_work_dir(tool, tmp_path: Path, name: str) -> None:
    write(tmp_path / 'run/20260101_000000/vis_data/scalars.json', records())
    write(tmp_path / 'run/x.json', records())
    assert tool.run_name(tmp_path / name) == 'run'


def test_figure_has_the_curves_and_the_names(tool) -> None:
    line = np.arange(3.), np.arange(3.)
    figure = tool.draw(dict(ari=dict(one=line, two=line), loss=dict(one=line, two=line)))
    assert [axes.get_title(loc='left') for axes in figure.axes] == ['ari', 'loss']
    assert [np.array_equal(one.get_xydata(), np.stack(line, axis=1)) for axes in figure.axes for one in axes.lines] == 4 * [True]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['one', 'two']
    assert figure.axes[0].get_xlabel() == 'epoch'


def test_a_group_of_runs_is_its_mean_in_a_band(tool, tmp_path: Path) -> None:
    for seed, factor in enumerate((1., 2., 6.)):
        write(tmp_path / f'group/seed{seed}/20260101_000000/vis_data/scalars.json', records(factor, range(3 + seed)))
    runs = tool.runs_of(tmp_path / 'group', group=True)
    epochs, mean, low, high = tool.join([tool.curve(tool.read_records(run), 'ari') for run in runs])
    assert epochs.tolist() == [0, 1, 2]  # what the shortest has
    for factor, values in ((3, mean), (1, low), (6, high)):
        assert values.tolist() == pytest.approx([0, .3 * factor, .6 * factor])
    figure = tool.draw(dict(ari=dict(one=(epochs, mean, low, high))))
    assert len(figure.axes[0].lines) == len(figure.axes[0].collections) == 1
    assert tool.runs_of(tmp_path / 'group', group=False) == [tmp_path / 'group']
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty must be a folder of runs, got an empty one; leave --group out'):
        tool.runs_of(tmp_path / 'empty', group=True)


def test_command_writes_a_picture(tool, tmp_path: Path, monkeypatch) -> None:
    for name in ('a', 'b'):
        write(tmp_path / name / '20260101_000000/vis_data/scalars.json', records())
    out = tmp_path / 'deep/curves.png'

    def run(*args: object) -> None:
        monkeypatch.setattr(sys, 'argv', ['plot_curves.py', *map(str, args), '--out', str(out)])
        tool.main()

    run(tmp_path / 'a', tmp_path / 'b', '--keys', 'ari', 'reid/mAP')
    run(tmp_path / 'a', tmp_path / 'b', '--keys', 'ari', '--group')
    assert cv2.imread(str(out)).std() > 5
    with pytest.raises(SystemExit, match='error: --keys must be logged by a run, got nmi; there are epoch, iter, loss'):
        run(tmp_path / 'a', '--keys', 'nmi')
    with pytest.raises(FileNotFoundError, match='none must be a log or a work dir'):
        run(tmp_path / 'none', '--keys', 'ari')
    (tmp_path / 'x.json').write_text('{"a": 1,\n"b": 2}')
    with pytest.raises(ValueError, match='must hold one JSON record per line'):
        run(tmp_path / 'x.json', '--keys', 'ari')
