import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.datasets.search_datasets.scene_file import write_scenes

TOOL = Path(__file__).parents[2] / 'tools/check_dataset.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('check_dataset', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_exit_code_and_lines(tool, tmp_path, capsys):
    os.makedirs(tmp_path / 'images')
    for split in ('train', 'test'):
        images = [dict(id=i, file_name=f'{split}{i}.jpg', width=32, height=24) for i in range(2)]
        for image in images:
            cv2.imwrite(str(tmp_path / 'images' / image['file_name']), np.zeros((24, 32, 3), np.uint8))
        write_scenes(str(tmp_path), split, images, [dict(image_id=i, bbox=[1, 2, 9, 9], person_id=4) for i in range(2)])
    assert tool.main(['scenes', str(tmp_path), '--images']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'ok     train: 2 images'
    assert lines[-1] == f'{tmp_path}: complete'
    os.remove(tmp_path / 'images/train0.jpg')
    assert tool.main(['scenes', str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f'{tmp_path}: 1 to repair'
    assert f'WRONG  train: images missing in {tmp_path}/images: train0.jpg' in lines


def test_crops(tool, tmp_path, capsys):
    for name in ('train/anna/1.png', 'train/ben/1.png'):
        os.makedirs((tmp_path / name).parent)
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 4, 3), np.uint8))
    assert tool.main(['crops', str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ['ok     train: 2 images', 'ok     train: 2 ids']
    assert tool.main(['market1501', str(tmp_path)]) == 1


@pytest.mark.parametrize('layout', ['market1501', 'msmt17', 'crops'])
def test_empty_folder_of_crops(tool, tmp_path, capsys, layout):
    assert tool.main([layout, str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len({'train'} if layout == 'crops' else {'train', 'test'})
    assert all(line.startswith('WRONG') and str(tmp_path) in line for line in lines[:-1])


@pytest.mark.parametrize('layout', ['cuhk_sysu', 'prw', 'scenes'])
def test_empty_folder(tool, tmp_path, capsys, layout):
    assert tool.main([layout, str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith('WRONG') for line in lines[:-1])
    assert any('is missing' in line for line in lines)
