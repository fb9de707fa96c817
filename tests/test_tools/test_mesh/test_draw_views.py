import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.test_apis.test_view_painter import write_run
from tests.test_models.test_reid.gcl_batches import SIZE

TOOL = runpy.run_path(str(Path(__file__).parents[3] / 'tools/mesh/draw_views.py'))


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp('run')
    cfg, checkpoint = write_run(folder)
    cfg.dump(str(folder / 'config.py'))
    return [str(folder / 'config.py'), checkpoint]


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    height, width = SIZE
    return sheet[row * (height + 2):, column * (width + 2):][:height, :width]


def test_rows_are_people_and_pairs(run, tmp_path):
    code = TOOL['main']([*run, '--out', str(tmp_path / 'views.png'), '--mixed', str(tmp_path / 'mixed.png'),
                         '--num', '2', '--device', 'cpu'])
    assert code == 0
    views, mixed = (np.asarray(Image.open(tmp_path / name)) for name in ('views.png', 'mixed.png'))
    assert views.shape == (2 * SIZE[0] + 2, 9 * SIZE[1] + 16, 3)
    assert mixed.shape == views.shape
    for row, index in enumerate((0, 5)):
        photo = np.asarray(Image.open(Path(run[1]).parent / f'crops/{index}.png'))
        assert np.array_equal(tile(views, row, 0), photo)
        assert np.array_equal(tile(mixed, row, 0), photo)
        assert np.array_equal(tile(mixed, 1 - row, 8), photo)
        assert np.abs(tile(mixed, row, 1).astype(int) - tile(views, row, 1)).max() <= 1  # a share of 1, not turned
    assert (views[SIZE[0]:SIZE[0] + 2] == 255).all()


@pytest.mark.parametrize(('args', 'text'), [
    (['--num', '0'], '--num must be >= 1, got 0'), (['--mixed', 'nowhere/a.png'], 'folder of nowhere/a.png does not'),
])
def test_bad_arguments_are_one_line(run, tmp_path, capsys, args, text):
    assert TOOL['main']([*run, '--out', str(tmp_path / 'views.png'), '--device', 'cpu', *args]) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1
