"""Oracle: a truth that is made of the training photos themselves."""

import csv
import math
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pedsearch.apis import ViewPainter
from pedsearch.evaluation import EmbeddingExtractor
from pedsearch.mesh.toy_bodies import FORMAT
from tests.test_apis.test_view_painter import write_run

TOOL = runpy.run_path(str(Path(__file__).parents[3] / 'tools/mesh/evaluate_views.py'))
HEADINGS_DEG = (0, 90, 180, 270, 10, 200)


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Six photos of one person; photo 0 turned by 90, 180 and 270 degrees is photo 1, 2 and 3."""
    folder = tmp_path_factory.mktemp('run')
    cfg, checkpoint = write_run(folder)
    crops = folder / 'crops'
    (crops / 'train').mkdir()
    names = [f'train/{index}.png' for index in range(6)]
    for index, name in enumerate(names):
        shutil.move(crops / f'{index}.png', crops / name)
    with open(crops / 'train.csv', 'w', newline='') as file:
        csv.writer(file).writerows([('file', 'pid', 'camid'), *((name, 'anna', index) for index, name in enumerate(names))])
    truth = folder / 'truth'
    truth.mkdir()
    np.savez(truth / 'bodies.npz', format=np.array(FORMAT), names=np.array(names),
             headings=np.deg2rad(HEADINGS_DEG), positions=np.tile([0., 5.], (6, 1)), centres=np.zeros((6, 3)))
    with open(truth / 'turned.csv', 'w', newline='') as file:
        rows = [(f'{index}.png', names[0], 90 * index) for index in range(4)]
        csv.writer(file).writerows([('file', 'crop', 'angle'), *rows])
    for index in range(4):
        shutil.copy(crops / names[index], truth / f'{index}.png')
    cfg.dump(str(folder / 'config.py'))
    return folder, cfg, checkpoint


def test_the_nearest_photo_is_the_one_that_shows_this_side(run):
    folder, cfg, checkpoint = run
    painter = ViewPainter(cfg, checkpoint)
    results = TOOL['evaluate'](painter, str(folder / 'truth'), EmbeddingExtractor(painter.model))
    assert list(results) == ['painted', 'photo as it is', 'nearest training photo']
    nearest = results['nearest training photo']
    assert nearest['ssim'] == pytest.approx(1)
    assert math.isinf(nearest['psnr'])
    assert nearest['frechet'] == pytest.approx(0, abs=1e-3)
    for other in ('painted', 'photo as it is'):
        assert results[other]['ssim'] < .3


def test_a_side_is_searched_among_the_photos_of_other_cameras(run):
    """True view k of photo 0 is photo k itself; with cameras of their own, it finds that photo first, and last the one
    that lies farthest in the model's embeddings."""
    folder, cfg, checkpoint = run
    painter = ViewPainter(cfg, checkpoint)
    extractor = EmbeddingExtractor(painter.model)
    embeds = torch.nn.functional.normalize(torch.cat([extractor(painter.photo(index)) for index in range(6)]), dim=1)
    painter.dataset._pids = np.array([0, 0, 0, 0, 1, 1])
    found = TOOL['search_by_side'](painter, str(folder / 'truth'), extractor)
    assert list(found) == [0, 90, 180, 270]
    for angle, row in found.items():
        sims = (embeds @ embeds[angle // 90]).numpy()
        order = [index for index in np.argsort(-sims, kind='stable') if index != 0]  # photo 0 has the query's camera
        hits = np.array([index < 4 for index in order])
        precision = np.cumsum(hits) / np.arange(1, 6)
        assert row['mAP'] == pytest.approx(precision[hits].mean())
        assert row['rank1'] == hits[0]


def test_the_table_names_all_three(run, capsys):
    folder, _, checkpoint = run
    assert TOOL['main']([str(folder / 'config.py'), checkpoint, str(folder / 'truth'), '--device', 'cpu', '--search']) == 0
    shown = capsys.readouterr().out
    assert all(kind in shown for kind in ('painted', 'photo as it is', 'nearest training photo', 'SSIM', 'rank-1', '270°'))


def test_a_truth_that_does_not_fit_is_one_line(run, tmp_path, capsys):
    folder, _, checkpoint = run
    args = [str(folder / 'config.py'), checkpoint]
    assert TOOL['main']([*args, str(tmp_path), '--device', 'cpu']) == 1
    assert 'turned.csv does not exist; write it with' in capsys.readouterr().err
    shutil.copy(folder / 'truth' / 'bodies.npz', tmp_path)
    (tmp_path / 'turned.csv').write_text('file,crop,angle\na.png,train/9.png,90\n')
    assert TOOL['main']([*args, str(tmp_path), '--device', 'cpu']) == 1
    assert 'train/9.png must be a training photo of the config' in capsys.readouterr().err
