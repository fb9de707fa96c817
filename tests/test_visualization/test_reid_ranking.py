"""Oracles: which crop stands in which frame, worked out by hand from the features of the toy crops."""

from pathlib import Path

import numpy as np
import pytest

from pedsearch.visualization import draw_reid_rankings
from pedsearch.visualization.drawing import MATCH, MISSED, OTHER, QUERY
from pedsearch.visualization.reid_ranking import _RowReader
from pedsearch.visualization.sheet import FRAME

from .ranked_crops import CropDataset, crop_picture, write_ranked
from .sheet_frames import frames


def shown(sheet: np.ndarray, kind: str) -> list[int]:
    """Indices of the crops inside the frames of a kind, row by row."""
    found = []
    for x, y, x2, y2 in frames(sheet, kind):
        inside = sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME]
        found += [index for index in range(9) if np.array_equal(inside, crop_picture(index))]
    return found


def test_crops_stand_in_the_frames_of_their_verdict(tmp_path: Path) -> None:
    dataset, dump = write_ranked(tmp_path)
    sheet = draw_reid_rankings(dataset, dump['evaluations']['primary'], num_best=1, num_worst=1, topk=3)
    assert shown(sheet, QUERY) == [0, 1]
    assert shown(sheet, MATCH) == [4, 5, 7]
    assert shown(sheet, OTHER) == [6, 8, 5]
    assert shown(sheet, MISSED) == [6]  # query 0 has found its two


def test_cameras_can_be_left_out_of_account(tmp_path: Path) -> None:
    dataset, dump = write_ranked(tmp_path, cross_camera=False)
    sheet = draw_reid_rankings(dataset, dump['evaluations']['primary'], num_best=1, num_worst=1, topk=1,
                               cross_camera=False)
    assert shown(sheet, MATCH) == [3, 7]
    assert shown(sheet, MISSED) == []  # the only answers are right


def test_rows_say_ranks_cameras_and_numbers(tmp_path: Path) -> None:
    dataset, dump = write_ranked(tmp_path)
    row = _RowReader(dataset, cross_camera=True).read(dump['evaluations']['primary'][1], topk=3)
    assert row.lines == ('AP 0.75', '1 of 2 matches in top 3', 'first match at rank 1')  # (1 / 1 + 2 / 4) / 2
    assert row.query.note == 'camera 1'
    assert [answer.note for answer in row.answers] == ['camera 2', 'camera 0', 'camera 2']
    unit = np.array([.2, .9]) / np.hypot(.2, .9)
    assert row.answers[0].score == pytest.approx(np.hypot(*(unit - [0, 1])), abs=1e-5)
    assert [view.image for view in row.missed] == [str(tmp_path / '6.png')]


def test_images_are_found_where_the_dataset_has_them_now(tmp_path: Path) -> None:
    _, dump = write_ranked(tmp_path / 'before')
    dataset, _ = write_ranked(tmp_path / 'after')
    for path in (tmp_path / 'before').glob('*.png'):
        path.unlink()
    assert draw_reid_rankings(dataset, dump['evaluations']['primary'], 1, 0, 2).shape[2] == 3
    other = CropDataset([Path(f'x{index}.png') for index in range(9)])
    with pytest.raises(ValueError, match='image 4 must be 4.png as when it was ranked, but it is not in this dataset of 9'):
        draw_reid_rankings(other, dump['evaluations']['primary'])
