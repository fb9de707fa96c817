import importlib.util
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from pedsearch.datasets.search_datasets.scene_file import write_scenes
from pedsearch.structures import UNLABELED, SearchDataSample

TOOL = Path(__file__).parents[2] / 'tools/browse_dataset.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('browse_dataset', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_colours_tell_people_apart(tool):
    assert len({tool.pid_color(pid) for pid in range(200)}) == 200
    assert tool.pid_color(UNLABELED) == tool.GREY


def test_borders_are_drawn_where_the_boxes_are(tool):
    sample = SearchDataSample()
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[10., 20, 30, 40]]), pids=torch.tensor([3]))
    sample.query_instances = InstanceData(bboxes=torch.tensor([[60., 20, 80, 40]]), query_ids=torch.tensor([0]))
    image = tool.draw_sample(np.zeros((100, 200, 3), np.uint8), sample, scale=(2.0, 1.5))
    assert image[45, 20].tolist() == list(tool.pid_color(3))  # (20, 30) to (60, 60)
    assert image[45, 60].tolist() == list(tool.pid_color(3))
    assert image[45, 120].tolist() == list(tool.WHITE)  # (120, 30) to (160, 60)
    assert not image[45, 90].any()


def test_missing_config_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, 'argv', ['browse_dataset.py', str(tmp_path / 'gone.py')])
    with pytest.raises(SystemExit, match=r'^error: [^\n]*gone\.py[^\n]*$'):  # text: exit code 1, on stderr
        runpy.run_path(str(TOOL), run_name='__main__')


@pytest.mark.parametrize(('split', 'num_shown'), [('train', 2), ('test', 2), ('test', 0)])
def test_pictures_are_written(tool, tmp_path, split, num_shown):
    (tmp_path / 'images').mkdir()
    images = [dict(id=i, file_name=f'{i}.png', width=64, height=48) for i in range(3)]
    for image in images:
        cv2.imwrite(str(tmp_path / 'images' / image['file_name']), np.zeros((48, 64, 3), np.uint8))
    write_scenes(str(tmp_path), split, images, [dict(image_id=i, bbox=[9, 9, 9, 20], person_id=1) for i in range(3)])
    out = tmp_path / 'out'
    tool.main([str(TOOL.parents[1] / 'configs/_base_/datasets/toy_scenes.py'), '--split', split, '--not-show',
               '--output-dir', str(out), '--max-images', str(num_shown), '--cfg-options',
               f'{split}_dataloader.dataset.data_root={tmp_path}'])
    names = sorted(path.name for path in out.iterdir())
    assert [name[:6] for name in names] == ['00000_', '00001_'][:num_shown]
    assert all(cv2.imread(str(out / name)).any() for name in names)
