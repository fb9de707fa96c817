"""Oracles: lists cut by hand, and the texts of the errors."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from torch import nn

from pedsearch.apis import GalleryIndex
from pedsearch.apis.base_inferencer import BaseInferencer, batches, named_batches, own_names

BLACK = np.zeros((4, 4, 3), np.uint8)


class Named(BaseInferencer):
    """Its model is empty."""

    def build_model(self, checkpoint: object) -> nn.Module:
        return nn.Identity()


def config(*pipeline: str) -> Config:
    return Config(dict(test_dataloader=dict(dataset=dict(pipeline=[dict(type=name) for name in pipeline]))))


def test_bad_configs_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='config .*none.py does not exist'):
        Named(tmp_path / 'none.py')
    with pytest.raises(TypeError, match='must be the path of a config, a Config or a model, got int'):
        Named(3)
    with pytest.raises(ValueError, match='a model must carry its mmengine Config as `cfg`, got NoneType'):
        Named(nn.Identity())
    with pytest.raises(ValueError, match='test pipeline must start with LoadImage, got PackReIDInputs'):
        Named(config('PackReIDInputs', 'LoadImage'))
    with pytest.raises(ValueError, match='config must have test_dataloader.dataset.pipeline'):
        Named(Config(dict(test_dataloader=None)))


def test_config_stays_as_it_was(tmp_path: Path) -> None:
    cfg = config('LoadImage')
    cfg.dump(tmp_path / 'config.py')
    Named(cfg, device='cpu').cfg.model = 1
    assert 'model' not in cfg
    assert Named(tmp_path / 'config.py', device='cpu').cfg.to_dict() == cfg.to_dict()


@pytest.mark.parametrize('to_float32', [False, True])
def test_array_has_the_type_that_reading_gives(to_float32: bool) -> None:
    cfg = config('LoadImage')
    cfg.test_dataloader.dataset.pipeline[0].to_float32 = to_float32
    found = Named(cfg, device='cpu')._read(np.zeros((4, 6, 3), np.uint8))
    assert found['img'].dtype == (np.float32 if to_float32 else np.uint8)
    assert (found['height'], found['width']) == found['img_shape'] == found['ori_shape'] == (4, 6)


@pytest.mark.parametrize(('image', 'message'), [
    ('none.png', 'image none.png does not exist'),
    (7, 'an image must be a path or a NumPy array, got int'),
    (np.zeros((4, 4), np.uint8), r'must be a \(H, W, 3\) uint8 array in BGR order, got \(4, 4\) uint8'),
    (np.zeros((4, 4, 3)), r'uint8 array in BGR order, got \(4, 4, 3\) float64'),
    (np.zeros((0, 4, 3), np.uint8), r'uint8 array in BGR order, got \(0, 4, 3\) uint8'),
])
def test_bad_images_are_named(image, message: str) -> None:
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        Named(config('LoadImage'), device='cpu')._read(image)


# -- lists ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(('batch_size', 'expected'), [(1, ['a', 'b', 'c', 'd']), (2, ['ab', 'cd']), (3, ['abc', 'd']),
                                                      (4, ['abcd']), (9, ['abcd'])])
def test_batches_are_consecutive(batch_size: int, expected: list[str]) -> None:
    assert [''.join(batch) for batch in batches(list('abcd'), batch_size)] == expected
    assert [''.join(batch) for batch in batches(iter('abcd'), batch_size)] == expected
    assert [(''.join(names), ''.join(batch)) for names, batch in named_batches(iter('abcd'), batch_size)] == [
        (part, part) for part in expected]


def test_stack_of_arrays_is_a_list_of_images() -> None:
    stack = np.arange(3 * 48, dtype=np.uint8).reshape(3, 4, 4, 3)
    assert np.array_equal(np.concatenate(list(batches(stack, 2))), stack)


def test_arrays_are_named_by_position() -> None:
    images = [BLACK, Path('x/a.png'), BLACK, BLACK, 'b.png', BLACK]
    assert [names for names, _ in named_batches(images, 4)] == [['0', 'x/a.png', '2', '3'], ['b.png', '5']]


@pytest.mark.parametrize(('images', 'batch_size', 'message'), [
    ('a.jpg', 1, 'images must be a list of paths or arrays, got one str; put it into a list'),
    (Path('a.jpg'), 1, 'images must be a list of paths or arrays, got one PosixPath; put it into a list'),
    (BLACK, 1, 'got one ndarray; put it into a list'),
    ([], 1, 'images must hold at least one image, got none'),
    (['a.jpg'], 0, 'batch_size must be >= 1, got 0'),
    ([7], 1, 'an image must be a path or a NumPy array, got int'),
    (['a.jpg', 'b.jpg', Path('a.jpg')], 1, 'every image must be listed once, got a.jpg repeated'),
    (['a.jpg', '0', 'a.jpg'], 9, 'every image must be listed once, got a.jpg repeated'),
])
def test_bad_lists_are_named(images, batch_size: int, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        list(named_batches(images, batch_size))


def test_own_names_are_all_ways_to_write_the_path(tmp_path: Path) -> None:
    (tmp_path / 'a.jpg').touch()
    (tmp_path / 'link.jpg').symlink_to(tmp_path / 'a.jpg')
    names = [f'{tmp_path}/a.jpg', f'{tmp_path}/b.jpg', f'{tmp_path}/../{tmp_path.name}/a.jpg', f'{tmp_path}/link.jpg']
    index = GalleryIndex(names, [], [], [], np.zeros((0, 2)))
    assert own_names(tmp_path / 'a.jpg', index) == [names[0], names[2], names[3]]
    assert own_names(BLACK, index) == []
