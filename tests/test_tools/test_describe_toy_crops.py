"""Oracle: what the scenes were annotated with."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from pedsearch.datasets import PedestrianMultiModalDataset
from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.scene_writer import write_toy_scenes
from tests.test_mesh.conftest import SMALL

FOLDER = Path(__file__).parents[2] / 'tools/dataset_converters'


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('toy')
    write_toy_scenes(SMALL, root / 'scenes', workers=1, make_body=PrismBody)
    load('scenes_to_crops').convert(str(root / 'scenes'), str(root / 'crops'), min_height=16)
    return root


def load(name: str):
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(FOLDER))
    return module


def test_crops_carry_what_the_scenes_say(data):
    tool = load('describe_toy_crops')
    assert tool.main([str(data / 'scenes'), str(data / 'crops'), '--out', str(data / 'crops')]) == 0
    for split, parts in (('train', ('train', )), ('test', ('query', 'gallery'))):
        dataset = PedestrianMultiModalDataset(str(data / 'crops'), 'toy', split, 'toy', needs_captions=True)
        scenes = json.loads((data / f'scenes/annotations/{split}.json').read_text())
        said = {}
        for entry in scenes['annotations']:
            said.setdefault(entry['person_id'], set()).add((entry['caption'], tuple(entry['attributes'])))
        known = [row for part in parts for row in csv.DictReader((data / f'crops/{part}.csv').open())
                 if row['pid'] != '-1']
        assert len(dataset) == len(known)
        people = sorted({int(row['pid']) for row in known})
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            pid = people[info['pid']] if split == 'train' else info['pid']
            assert (info['captions'][0].text, tuple(info['attributes'].tolist())) in said[pid]
            assert info['name'].split('/')[1].startswith(f'{pid:04d}_c{info["camid"]}')
    assert len(dataset.schema.names) == len(scenes['attribute_names'])
    colors = {name for group in dataset.schema.exclusive_groups for name in group}
    table = np.stack([dataset.get_data_info(index)['attributes'] for index in range(len(dataset))])
    for group in dataset.schema.exclusive_groups:
        assert (table[:, [dataset.schema.names.index(name) for name in group]].sum(axis=1) == 1).all()
    assert 'hat' not in colors


def test_crops_of_other_scenes_are_an_error(data, tmp_path, capsys):
    tool = load('describe_toy_crops')
    (tmp_path / 'train.csv').write_text('file,pid,camid\ntrain/9999_c0_000000_0.jpg,9999,0\n')
    assert tool.main([str(data / 'scenes'), str(tmp_path), '--out', str(tmp_path / 'out')]) == 1
    assert 'must show a described person of image 0, got none; give the scenes' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()
