"""Oracle: the crops of the same world."""

import csv
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.scene_writer import write_toy_scenes
from pedsearch.mesh.toy_bodies import ToyBodies
from tests.test_mesh.conftest import SMALL

FOLDER = Path(__file__).parents[2] / 'tools/dataset_converters'


@pytest.fixture(scope='module')
def tool():
    """The tool, with people made of prisms."""
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location('make_toy_views', FOLDER / 'make_toy_views.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.AnnyBody = PrismBody
    yield module
    sys.path.remove(str(FOLDER))


@pytest.fixture(scope='module')
def data(tool, tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('toy')
    write_toy_scenes(SMALL, root / 'scenes', workers=1, make_body=PrismBody)
    sys.modules['scenes_to_crops'].convert(str(root / 'scenes'), str(root / 'crops'), min_height=16)
    return root


def test_every_labelled_crop_has_a_body_and_truth_shows_the_same_place(tool, data, tmp_path):
    out = tmp_path / 'views'
    assert tool.main([str(data / 'scenes'), str(data / 'crops'), '--out', str(out), '--truth', '3']) == 0
    bodies = ToyBodies(str(out / 'bodies.npz'), dict(type='PrismBody'))
    names = {row['file'] for part in ('train', 'query', 'gallery')
             for row in csv.DictReader((data / f'crops/{part}.csv').open()) if row['pid'] != '-1'}
    assert set(bodies.names) == names
    rows = list(csv.DictReader((out / 'turned.csv').open()))
    assert [int(row['angle']) for row in rows] == [0, 45, 90, 135, 180, 225, 270, 315] * 3
    assert len({row['crop'].split('_')[0] for row in rows}) == 3  # of three people
    for row in rows:
        photo, turned = cv2.imread(str(data / 'crops' / row['crop'])), cv2.imread(str(out / row['file']))
        assert turned.shape == photo.shape
        if row['angle'] == '0':
            assert np.median(np.abs(photo.astype(int) - turned)) < 12  # but for JPEG, shadows and others beside
        size = bodies([row['crop']]).photo_size[0]
        assert size.tolist() == list(photo.shape[:2])


@pytest.mark.parametrize(('change', 'text'), [
    (dict(truth='-1'), '--truth must be >= 0, got -1'), (dict(out='{crops}'), 'must be a new or empty folder'),
    (dict(scenes='nothing'), 'nothing'),
])
def test_bad_arguments_are_one_line(tool, data, tmp_path, capsys, change, text):
    scenes, out = str(data / 'scenes'), str(tmp_path / 'views')
    if 'scenes' in change:
        scenes = change['scenes']
    if 'out' in change:
        out = str(data / 'crops')
    assert tool.main([scenes, str(data / 'crops'), '--out', out, '--truth', change.get('truth', '0')]) == 1
    error = capsys.readouterr().err
    assert text in error
    assert error.count('\n') == 1
