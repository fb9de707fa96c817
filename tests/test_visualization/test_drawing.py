"""Oracles: slices of the images."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.visualization.drawing import OUTSIDE, cut_out, read_image, surround
from pedsearch.visualization.sheet import CROP_SIZE

from .sheet_frames import picture


def test_crop_at_its_own_size_is_the_slice() -> None:
    image = picture(0)
    region = surround((30, 40, 30 + CROP_SIZE[1], 40 + CROP_SIZE[0]), CROP_SIZE)
    assert region == (30, 40, 134, 248)
    assert np.array_equal(np.asarray(cut_out(image, region, CROP_SIZE)), image[40:248, 30:134])


def test_crop_outside_the_image_is_grey() -> None:
    image = picture(1, 100, 100)
    crop = np.asarray(cut_out(image, (-10, -20, 30, 20), (40, 40)))
    assert np.array_equal(crop[20:, 10:], image[:20, :30])
    assert (crop[:20] == OUTSIDE).all()
    assert (crop[:, :10] == OUTSIDE).all()


@pytest.mark.parametrize('bbox', [(10, 10, 20, 110), (10, 10, 110, 20), (5, 5, 5, 5)])
@pytest.mark.parametrize('context', [1.0, 1.5])
def test_surroundings_have_the_proportions_of_the_cell_and_hold_the_box(bbox: tuple, context: float) -> None:
    x1, y1, x2, y2 = surround(bbox, (208, 104), context)
    assert (x2 - x1) * 2 == pytest.approx(y2 - y1)
    assert (x1 + x2, y1 + y2) == pytest.approx((bbox[0] + bbox[2], bbox[1] + bbox[3]))
    assert x2 - x1 >= (bbox[2] - bbox[0]) * context
    assert y2 - y1 >= (bbox[3] - bbox[1]) * context


def test_image_is_read_as_rgb(tmp_path: Path) -> None:
    image = picture(2)
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., ::-1])
    assert np.array_equal(read_image(str(tmp_path / 'a.png')), image)
    with pytest.raises(FileNotFoundError, match='image .*b.png does not exist'):
        read_image(str(tmp_path / 'b.png'))
    with pytest.raises(ValueError, match=r'must be a \(H, W, 3\) uint8 RGB array, got \(4, 4\) float64'):
        read_image(np.zeros((4, 4)))
