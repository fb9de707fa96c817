import numpy as np
import pytest
from PIL import Image

from pedsearch.mesh import WalkingBodies
from pedsearch.mesh.fit_overlays import BODY_COLOR, FAILED_COLOR, contact_sheet, draw_overlays, read_photo


@pytest.fixture
def people():
    people = WalkingBodies(photo_size=(64, 32))(['a', 'b'])
    people.valid[1] = False
    return people


def test_body_over_photo(people):
    """Left the photo as it is, right the same with a silhouette edged by the colour of the fit, background untouched."""
    photos = [np.full((64, 32, 3), 200, np.uint8)] * 2
    pairs = draw_overlays(photos, people, cell=(64, 32))
    assert pairs.shape == (2, 64, 64, 3)
    assert (pairs[:, :, :32] == 200).all()
    for pair, color in zip(pairs, (BODY_COLOR, FAILED_COLOR), strict=True):
        edge = (pair[:, 32:] == color).all(-1)
        assert 40 < edge.sum() < 400
        rows, columns = edge.nonzero()
        outside = np.ones((64, 32), bool)
        outside[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = False
        assert np.abs(pair[:, 32:][outside].astype(int) - 200).max() < 60  # at most the soft border of the body
        assert rows.max() - rows.min() > 50


def test_photos_are_resized_to_the_cell(people):
    assert draw_overlays([np.zeros((128, 64, 3), np.uint8)] * 2, people, cell=(32, 16)).shape == (2, 32, 32, 3)


def test_cells_stand_in_rows():
    pairs = np.stack([np.full((20, 10, 3), value, np.uint8) for value in (50, 100, 150)])
    sheet = contact_sheet(pairs, ['', '', ''], columns=2)
    assert sheet.shape == (40, 20, 3)
    assert [sheet[5, 5, 0], sheet[5, 15, 0], sheet[25, 5, 0], sheet[25, 15, 0]] == [50, 100, 150, 255]
    assert (contact_sheet(pairs, ['1.5 px', '', ''], columns=2)[:20, :10] != 50).any()


def test_errors(people, tmp_path):
    with pytest.raises(ValueError, match='expected one photo per person, got 1 photos and 2 people'):
        draw_overlays([np.zeros((64, 32, 3), np.uint8)], people)
    with pytest.raises(FileNotFoundError, match='expected a photo, got none.jpg'):
        read_photo('none.jpg')
    Image.new('RGB', (3, 5), (255, 0, 0)).save(tmp_path / 'r.png')
    assert read_photo(str(tmp_path / 'r.png'))[0, 0].tolist() == [0, 0, 255]
