import numpy as np
import pytest
import torch
import torchvision

from pedsearch.datasets.transforms import RandomErasing
from pedsearch.datasets.transforms.random_erasing import LAWS, draw_box_sizes

SHAPE = (256, 128)


def erase(transform: RandomErasing, num: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Masks (num, H, W) of what was erased from white images."""
    images = [transform(dict(img=np.full((*shape, 3), 255, np.uint8)))['img'] for _ in range(num)]
    return (np.stack(images) != 255).any(axis=-1)


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Top, left, height, width (n, 4) of masks that must be boxes."""
    rows, columns = masks.any(axis=2), masks.any(axis=1)
    boxes = np.stack([rows.argmax(1), columns.argmax(1), rows.sum(1), columns.sum(1)], axis=1)
    assert np.array_equal(boxes[:, 2] * boxes[:, 3], masks.sum(axis=(1, 2)))
    return boxes


@pytest.mark.parametrize(('law', 'acceptance', 'fraction'), [('plain', .9450, .2039), ('log', .8905, .1637)])
def test_published_acceptance_and_area(law, acceptance, fraction):  # T26
    np.random.seed(1)
    sizes = draw_box_sizes(2_000_000, SHAPE, LAWS[law])
    fits = (sizes < SHAPE).all(axis=1)
    assert fits.mean() == pytest.approx(acceptance, abs=5e-4)
    assert sizes[fits].prod(axis=1).mean() / np.prod(SHAPE) == pytest.approx(fraction, abs=5e-4)


@pytest.mark.parametrize(('law', 'fraction'), [('plain', .2039), ('log', .1637)])
def test_erased_area_and_place(law, fraction):
    np.random.seed(0)
    boxes = boxes_of(erase(RandomErasing(law, prob=1), 1500))
    assert (boxes[:, 2:].prod(axis=1) / np.prod(SHAPE)).mean() == pytest.approx(fraction, abs=.01)
    assert (boxes[:, 2:] < SHAPE).all()
    room = SHAPE - boxes[:, 2:]
    assert ((boxes[:, :2] >= 0) & (boxes[:, :2] <= room)).all()
    assert (boxes[:, :2] / room).mean(axis=0) == pytest.approx([.5, .5], abs=.03)  # centred in the room it has
    assert ((boxes[:, :2] == 0).any(axis=0) & (boxes[:, :2] == room).any(axis=0)).all()  # up to both borders


def test_log_law_is_that_of_torchvision():
    torch.manual_seed(0)
    np.random.seed(0)
    image = torch.zeros(3, *SHAPE)
    theirs = np.array([torchvision.transforms.RandomErasing.get_params(image, (.02, .33), (.3, 3.3), [0.])[2:4]
                       for _ in range(8000)])
    ours = draw_box_sizes(40_000, SHAPE, LAWS['log'])
    ours = ours[(ours < SHAPE).all(axis=1)]
    levels = np.linspace(.05, .95, 10)
    for side in range(2):
        assert np.quantile(ours[:, side], levels) == pytest.approx(np.quantile(theirs[:, side], levels), abs=2.5)


def test_box_size_from_share_and_aspect(monkeypatch):
    monkeypatch.setattr(np.random, 'uniform', lambda low, high, num: np.full(num, high))
    height, width = draw_box_sizes(1, (100, 50), LAWS['plain'])[0]
    assert (height, width) == (round((2000 / .3)**.5), round((2000 * .3)**.5)) == (82, 24)
    assert draw_box_sizes(1, (100, 50), LAWS['log'])[0].tolist() == [round((1650 * 3.3)**.5), round((1650 / 3.3)**.5)]


@pytest.mark.parametrize('prob', [0, .3, 1])
def test_probability(prob):
    np.random.seed(0)
    assert erase(RandomErasing(prob=prob), 2000, (32, 16)).any(axis=(1, 2)).mean() == pytest.approx(prob, abs=.03)


def test_default_colour_after_normalisation():
    mean, std = np.array([.485, .456, .406]), np.array([.229, .224, .225])  # RGB
    np.random.seed(0)
    for dtype, deviation in ((np.uint8, .5 / 255), (np.float32, .05 / 255)):
        img = np.zeros((32, 16, 3), dtype)
        erased = RandomErasing(prob=1)(dict(img=img))['img']
        assert erased.dtype == dtype
        assert not img.any()
        colour = erased.reshape(-1, 3).max(axis=0)[::-1] / 255
        assert np.abs(colour - (mean * std + mean)).max() <= deviation
    assert RandomErasing(prob=1)(dict(img=np.zeros((32, 16, 3), np.uint8)))['img'].max(axis=(0, 1)).tolist() == [127, 142, 152]


def test_mean_colour_becomes_zero():
    np.random.seed(0)
    erased = RandomErasing('log', prob=1, fill=(103.53, 116.28, 123.675))(dict(img=np.zeros((32, 16, 3), np.float32)))
    assert erased['img'].max(axis=(0, 1)) == pytest.approx([103.53, 116.28, 123.675])


def test_seed_decides():
    first, second, third = (np.random.seed(seed) or erase(RandomErasing(), 20) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize('shape', [(1, 1), (1, 40), (2, 2)])
def test_tiny_images(shape):
    assert not erase(RandomErasing(prob=1), 50, shape).all(axis=(1, 2)).any()


def test_bad_arguments():
    with pytest.raises(ValueError, match="law must be one of .*'log', 'plain'.*, got 'uniform'"):
        RandomErasing('uniform')
    with pytest.raises(ValueError, match=r'prob must lie in \[0, 1\], got 2'):
        RandomErasing(prob=2)
    for fill in ((1, 2), (0, 0, 256)):
        with pytest.raises(ValueError, match=r'three pixel values in 0...255 \(BGR\), got'):
            RandomErasing(fill=fill)
    with pytest.raises(ValueError, match=r'img must have shape \(H, W, 3\), got \(8, 4\); read it in colour'):
        RandomErasing()(dict(img=np.zeros((8, 4), np.uint8)))
