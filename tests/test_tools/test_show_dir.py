"""``tools/test.py`` on re-identification; oracles: the picture that the function draws, and the network itself."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pedsearch.apis import ReIDInferencer
from pedsearch.functional import rank_metrics
from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_dump, read_dump

from .reid_files import write_run

TOOL = str(Path(__file__).parents[2] / 'tools/test.py')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """Folder, config and network."""
    folder = tmp_path_factory.mktemp('reid')
    return folder, *write_run(folder)


def run(folder: Path, checkpoint: Path, *args: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('LOCAL_RANK', '0')
        patch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
        patch.setattr(sys, 'argv', [TOOL, str(folder / 'config.py'), str(checkpoint), '--work-dir', str(folder / 'run'),
                                    *map(str, args)])
        runpy.run_path(TOOL, run_name='__main__')


def test_ranked_crops_are_drawn(written, tmp_path: Path) -> None:
    folder, cfg, _ = written
    run(folder, folder / 'weights.pth', '--show-dir', tmp_path / 'show')
    assert sorted(path.name for path in (tmp_path / 'show').iterdir()) == ['ranked.json', 'ranked_gallery.png']
    dump = read_dump(tmp_path / 'show/ranked.json')
    expected = draw_dump(DATASETS.build(cfg.test_dataloader.dataset), dump)
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'show/ranked_gallery.png')), expected)
    run(folder, folder / 'weights.pth', '--out', tmp_path / 'out.json')
    assert read_dump(tmp_path / 'out.json') == dump


def test_backbone_alone_is_tested_behind_a_fresh_neck(written, tmp_path: Path) -> None:
    """A converted file of a published backbone holds nothing else."""
    folder, cfg, model = written
    model.neck.norm.reset_running_stats()
    model.cfg = cfg
    weights = {name: value for name, value in model.state_dict().items() if name.startswith('backbone.')}
    torch.save(dict(state_dict=weights, meta=dict(layout='torchvision')), tmp_path / 'backbone.pth')
    run(folder, tmp_path / 'backbone.pth', '--out', tmp_path / 'out.json')
    infos = [DATASETS.build(cfg.test_dataloader.dataset).get_data_info(index) for index in range(15)]
    feats = ReIDInferencer(model, device='cpu').embed([info['img_path'] for info in infos])
    pids, camids, is_query = (np.array([info[key] for info in infos]) for key in ('pid', 'camid', 'is_query'))
    expected = rank_metrics(feats[is_query], feats[~is_query], pids[is_query], pids[~is_query], camids[is_query],
                            camids[~is_query])
    assert read_dump(tmp_path / 'out.json')['metrics'] == pytest.approx(expected)


def test_mistakes_get_one_line(written, tmp_path: Path, capsys) -> None:
    folder = written[0]
    with pytest.raises(SystemExit, match='^error: --use-gt-boxes is for person search, got a ReIDModel, which detects '
                                         'nobody; leave it out$'):
        run(folder, folder / 'weights.pth', '--use-gt-boxes')
    with pytest.raises(SystemExit):
        run(folder, folder / 'weights.pth', '--out', tmp_path / 'out.txt')
    assert capsys.readouterr().err.splitlines()[-1].endswith(f'error: --out must be a .json file, got {tmp_path}/out.txt')
