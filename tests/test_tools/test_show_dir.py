"""``tools/test.py --show-dir`` on re-identification; oracle: the picture that the function draws from the dump."""

import runpy
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_dump, read_dump

from .reid_files import write_run

TOOL = str(Path(__file__).parents[2] / 'tools/test.py')


def test_ranked_crops_are_drawn(tmp_path: Path, monkeypatch) -> None:
    cfg, _ = write_run(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    monkeypatch.setattr(sys, 'argv', [TOOL, str(tmp_path / 'config.py'), str(tmp_path / 'weights.pth'), '--work-dir',
                                      str(tmp_path / 'run'), '--show-dir', str(tmp_path / 'show')])
    runpy.run_path(TOOL, run_name='__main__')
    assert sorted(path.name for path in (tmp_path / 'show').iterdir()) == ['ranked.json', 'ranked_gallery.png']
    expected = draw_dump(DATASETS.build(cfg.test_dataloader.dataset), read_dump(tmp_path / 'show/ranked.json'))
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'show/ranked_gallery.png')), expected)
