"""Oracle: a release of three people written by hand."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from pedsearch.datasets.multimodal import AnnotationFile

FILE = Path(__file__).parents[2] / 'tools/dataset_converters/market_attributes.py'
TRAIN, GALLERY = ['0002_c1s1_000451_03.jpg', '0007_c2s3_000001_01.jpg'], [
    '0001_c1s1_001051_00.jpg', '0000_c1s1_000001_00.jpg', '-1_c1s1_000401_03.jpg']


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('market_attributes', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def part(tool, people: list[str], order: int, **changes) -> dict:
    """Everybody is an adult man in trousers without anything, but for the changes of the first."""
    fields = dict.fromkeys([*tool.BINARY.values(), *tool.COLORS.values()], 1) | dict(clothes=2, age=3)
    table = {field: np.full(len(people), value, np.uint8) for field, value in fields.items()}
    for field, value in changes.items():
        table[field][0] = value
    return dict(list(table.items())[::order], image_index=np.array(people, dtype=object))


@pytest.fixture
def root(tool, tmp_path):
    for folder, names in (('bounding_box_train', TRAIN), ('bounding_box_test', GALLERY),
                          ('query', ['0001_c2s1_001051_00.jpg'])):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.new('RGB', (4, 8)).save(tmp_path / folder / name)
    savemat(tmp_path / 'attributes.mat', dict(market_attribute=dict(
        train=part(tool, ['0002', '0007'], 1, gender=2, clothes=1, age=1, upgray=2),
        test=part(tool, ['0001', '0003'], -1, downbrown=2, hat=2))))
    return tmp_path


def test_codes_become_values_by_name(tool, root):
    assert tool.main([str(root), str(root / 'attributes.mat'), '--out', str(root / 'out')]) == 0
    source = AnnotationFile(str(root / 'out'), 'market1501')
    assert {split: [image.img_path for image in source.read(split)] for split in source.splits()} == dict(
        train=[f'bounding_box_train/{name}' for name in TRAIN], test=[f'bounding_box_test/{GALLERY[0]}'],
        query=['query/0001_c2s1_001051_00.jpg'])
    names = source.schema('market').names
    assert len(names) == 30
    held = {image.img_path[-23:]: {name for name, value in zip(names, image.attrs['market']) if value}
            for split in source.splits() for image in source.read(split)}
    assert held[TRAIN[0]] == {'female', 'dress', 'young', 'upper_grey'}
    assert held[TRAIN[1]] == {'adult'}
    assert held[GALLERY[0]] == {'adult', 'hat', 'lower_brown'}
    first = source.read('train')[0]
    assert first.pid == 0
    assert all('a grey ' in caption.text or 'grey top' in caption.text for caption in first.captions)


def test_other_files_are_errors(tool, root, capsys):
    savemat(root / 'other.mat', dict(x=1))
    assert tool.main([str(root), str(root / 'other.mat'), '--out', str(root / 'out')]) == 1
    assert 'must hold market_attribute, got another file' in capsys.readouterr().err
    assert tool.main([str(root), str(root / 'attributes.mat'), '--out', str(root / 'out'), '--captions', '-1']) == 1
    assert '--captions must be >= 0, got -1' in capsys.readouterr().err
    assert not (root / 'out').exists()
