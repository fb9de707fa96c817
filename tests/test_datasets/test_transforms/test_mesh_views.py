from collections import Counter

import numpy as np
import pytest

from pedsearch.datasets import CropDataset
from pedsearch.datasets.split_dataset import build_steps
from pedsearch.datasets.transforms import LoadMeshViews, PackReIDInputs
from pedsearch.registry import TASK_UTILS

from ..test_reid_datasets.crop_files import write_pictures


@TASK_UTILS.register_module()
class FlatViews:
    """A view is its angle everywhere, halved."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def __call__(self, name: str, angles_deg: tuple[int, ...]) -> np.ndarray:
        assert name == 'train/a.jpg'
        return np.stack([np.full(self.size, angle // 2, dtype=np.uint8) for angle in angles_deg])


VIEWS = dict(type='FlatViews', size=(8, 4))


def sample(**extra) -> dict:
    return dict(img=np.zeros((8, 4, 3), dtype=np.uint8), img_path='data/train/a.jpg', name='train/a.jpg', **extra)


def test_both_views_are_set_and_angles_are_drawn_uniformly():  # T5
    np.random.seed(0)
    load = LoadMeshViews(VIEWS)
    counts = Counter()
    for _ in range(1400):
        results = load(sample())
        assert (results['mesh'] == 0).all()
        assert (results['turned_mesh'] == results['angle_deg'] // 2).all()
        counts[results['angle_deg']] += 1
    assert set(counts) == {45, 90, 135, 180, 225, 270, 315}
    assert max(abs(count - 200) for count in counts.values()) < 5 * 200**.5


def test_the_released_angles_leave_315_out():  # T5
    load = LoadMeshViews(VIEWS, angles_deg=(45, 90, 135, 180, 225, 270))
    assert {load(sample())['angle_deg'] for _ in range(200)} == {45, 90, 135, 180, 225, 270}


def test_views_are_packed_as_maps_of_one_channel():
    packed = PackReIDInputs()(LoadMeshViews(VIEWS, angles_deg=(90, ))(sample()))
    item = packed['data_samples']
    assert item.mesh.shape == item.turned_mesh.shape == (1, 8, 4)
    assert (item.turned_mesh == 45).all()
    assert item.angle_deg == 90
    assert item.name == 'train/a.jpg'
    assert not hasattr(PackReIDInputs()(sample())['data_samples'], 'mesh')


@pytest.mark.parametrize('step', [
    dict(type='mmpretrain.RandomFlip', prob=.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=(8, 4), padding=1),
])
@pytest.mark.parametrize('behind', [False, True])
def test_steps_that_move_people_are_refused(step, behind):
    steps = [dict(type='LoadMeshViews', views=VIEWS), step]
    with pytest.raises(ValueError, match=f'got {step["type"].split(".")[1]} in the pipeline, which would move'):
        build_steps([dict(type='LoadImage'), *(steps if behind else steps[::-1])])


def test_photos_without_body_are_named_before_the_training(tmp_path):
    root = write_pictures(tmp_path, ['a.png', 'b.png'])
    views = dict(type='MeshViewGenerator', image_size=(8, 4), bodies=dict(type='WalkingBodies', names=['a.png']))
    pipeline = [dict(type='LoadImage'), dict(type='LoadMeshViews', views=views), dict(type='PackReIDInputs')]
    with pytest.raises(ValueError, match='got none for 1 of 2, first: b.png; fit bodies to this dataset'):
        CropDataset(str(root), pipeline=pipeline)
    CropDataset(str(root), pipeline=[dict(type='LoadImage')])


def test_photos_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match=r'mesh and photo must have one size, got \(6, 4\) and \(8, 4\) for data/train'):
        LoadMeshViews(dict(VIEWS, size=(6, 4)))(sample())
    with pytest.raises(ValueError, match='at least one angle, got none'):
        LoadMeshViews(VIEWS, angles_deg=())
