"""Oracle: the pictures as they were, and the boxes."""

import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.datasets import SearchSceneDataset
from pedsearch.datasets.search_datasets.scene_file import write_scenes

FOLDER = Path(__file__).parents[2] / 'tools/dataset_converters'
BOXES = {0: [(5, 10, 5, 20, 40), (6, 60, 8, 16, 44)], 1: [(5, 30, 6, 24, 48), (None, 90, 10, 20, 40)]}


@pytest.fixture(scope='module')
def tool():
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location('cover_people', FOLDER / 'cover_people.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(FOLDER))


@pytest.fixture
def scenes(tmp_path) -> Path:
    """Two noisy pictures a split; who is searched for is person 5 of image 0."""
    root = tmp_path / 'scenes'
    (root / 'images').mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        images = [dict(id=index, file_name=f'{split}{index}.png', width=128, height=64, camera_id=index)
                  for index in range(2)]
        for image in images:
            cv2.imwrite(str(root / 'images' / image['file_name']), rng.integers(0, 256, (64, 128, 3), dtype=np.uint8))
        people = [dict(image_id=index, bbox=list(box), person_id=pid) for index, members in BOXES.items()
                  for pid, *box in members]
        queries = [dict(image_id=0, bbox=[10, 5, 20, 40], person_id=5, gallery=None)] if split == 'test' else None
        write_scenes(str(root), split, images, people, queries)
    return root


@pytest.mark.parametrize(('part', 'share'), [('quarter', .25), ('third', .33)])
def test_everybody_but_the_query_loses_a_part(tool, scenes, tmp_path, capsys, part, share):
    out = tmp_path / 'covered'
    assert tool.main([str(scenes), '--out', str(out), '--part', part]) == 0
    assert '3 people covered' in capsys.readouterr().out
    for index, people in BOXES.items():
        before, after = (cv2.imread(str(root / f'images/test{index}.png')) for root in (scenes, out))
        changed = (before != after).any(axis=2)
        for pid, x, y, width, height in people:
            inside = changed[y:y + height, x:x + width]
            expected = 0 if (index, pid) == (0, 5) else share
            assert inside.mean() == pytest.approx(expected, abs=.06)
            if expected:
                grey = after[y:y + height, x:x + width][inside].astype(float)
                assert np.abs(grey - before.mean(axis=(0, 1))).max() <= 1
            changed[y:y + height, x:x + width] = False
        assert not changed.any()
    for name in ('train.json', 'test.json', 'test_protocol.json'):
        assert json.loads((out / 'annotations' / name).read_text()) == json.loads(
            (scenes / 'annotations' / name).read_text())
    for split in ('train', 'test'):
        assert len(SearchSceneDataset(str(out), split)) == 2


def test_the_seed_decides(tool, scenes, tmp_path):
    pictures = []
    for name, seed in (('a', 0), ('b', 0), ('c', 1)):
        tool.main([str(scenes), '--out', str(tmp_path / name), '--seed', str(seed)])
        pictures.append(cv2.imread(str(tmp_path / name / 'images/test1.png')))
    assert np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_bad_arguments_are_one_line(tool, scenes, tmp_path, capsys):
    assert tool.main([str(tmp_path / 'nothing'), '--out', str(tmp_path / 'x')]) == 1
    assert tool.main([str(scenes), '--out', str(scenes)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert 'must be a new or empty folder' in errors[1]
