"""The published augmentation, made of parts of other libraries, does what it is published to do."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

import pedsearch.datasets  # noqa: F401
from pedsearch.registry import TRANSFORMS

CONFIGS = Path(__file__).parents[3] / 'configs/_base_/datasets'
FILES = ['market1501', 'msmt17', 'toy_crops']


def step_of(file: str, name: str, pipeline: str = 'train_pipeline'):
    step, = [step for step in Config.fromfile(CONFIGS / f'{file}.py')[pipeline] if step.type.split('.')[-1] == name]
    return TRANSFORMS.build(step)


@pytest.fixture
def img() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (128, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize('file', FILES)
def test_order_of_steps(file):
    cfg = Config.fromfile(CONFIGS / f'{file}.py')
    assert [step.type.split('.')[-1] for step in cfg.train_pipeline] == [
        'LoadImage', 'Resize', 'RandomFlip', 'RandomCrop', 'RandomErasing', 'PackReIDInputs']
    assert [step.type.split('.')[-1] for step in cfg.test_pipeline] == ['LoadImage', 'Resize', 'PackReIDInputs']
    assert cfg.train_dataloader.sampler.global_batch_size == cfg.train_dataloader.batch_size


@pytest.mark.parametrize(('file', 'size'), [('market1501', (256, 128)), ('msmt17', (256, 128)), ('toy_crops', (128, 64))])
@pytest.mark.parametrize('pipeline', ['train_pipeline', 'test_pipeline'])
@pytest.mark.parametrize('shape', [(128, 64), (301, 77), (1, 1)])
def test_resize_is_bicubic_of_pillow(file, size, pipeline, shape):
    img = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    resized = step_of(file, 'Resize', pipeline)(dict(img=img))['img']
    rgb = Image.fromarray(img[..., ::-1]).resize(size[::-1], Image.Resampling.BICUBIC)
    assert resized.dtype == np.uint8
    assert np.array_equal(resized, np.array(rgb)[..., ::-1])


def test_flip_mirrors_half_of_the_images(img):
    flip = step_of('market1501', 'RandomFlip')
    np.random.seed(0)
    results = [flip(dict(img=img)) for _ in range(1000)]
    assert all(np.array_equal(r['img'], img[:, ::-1] if r['flip'] else img) for r in results)
    assert np.mean([r['flip'] for r in results]) == pytest.approx(.5, abs=.05)


@pytest.mark.parametrize(('file', 'size', 'padding'), [('market1501', (256, 128), 10), ('toy_crops', (128, 64), 5)])
def test_crop_of_the_image_padded_with_black(file, size, padding):
    crop = step_of(file, 'RandomCrop')
    rows, columns = np.mgrid[1:size[0] + 1, 1:size[1] + 1]
    img = np.stack([rows % 256, columns, rows // 256 + 1], axis=-1).astype(np.uint8)  # says where a pixel is from
    padded = np.pad(img, ((padding, padding), (padding, padding), (0, 0)))
    np.random.seed(0)
    seen = []
    for _ in range(600):
        cropped = crop(dict(img=img))['img']
        row, column = size[0] // 2, size[1] // 2
        top = int(cropped[row, column, 0]) + 256 * (int(cropped[row, column, 2]) - 1) - row - 1 + padding
        left = int(cropped[row, column, 1]) - column - 1 + padding
        assert np.array_equal(cropped, padded[top:top + size[0], left:left + size[1]])
        seen.append((top, left))
    for offsets in zip(*seen):
        assert set(offsets) == set(range(2 * padding + 1))


@pytest.mark.parametrize('file', FILES)
def test_whole_pipeline(file, img, tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), img)
    init_default_scope('pedsearch')
    cfg = Config.fromfile(CONFIGS / f'{file}.py')
    for steps in (cfg.train_pipeline, cfg.test_pipeline):
        packed = Compose([TRANSFORMS.build(step) for step in steps])(dict(img_path=str(tmp_path / 'a.png'), pid=1))
        assert packed['inputs'].shape == (3, *cfg.size)
        assert packed['data_samples'].pid == 1
    # without randomness the picture is the file, in BGR
    assert file != 'toy_crops' or np.array_equal(packed['inputs'].numpy().transpose(1, 2, 0), img)
