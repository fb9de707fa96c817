"""Oracles: slices of the images, and the colours of frames at the places where the layout puts them."""

import numpy as np
import pytest

from pedsearch.visualization import Answer, RankedQuery, View, draw_sheet
from pedsearch.visualization.drawing import COLORS, MATCH, MISSED, OTHER, PAPER, QUERY, UNKNOWN
from pedsearch.visualization.sheet import CAPTION_HEIGHT, CROP_SIZE, FRAME, LABEL_WIDTH, MARGIN, NOTE_HEIGHT

from .sheet_frames import frames, picture

BOX = (30, 40, 30 + CROP_SIZE[1], 40 + CROP_SIZE[0])


def test_sheet_of_crops_has_the_right_frame_around_the_right_slice() -> None:
    images = [picture(seed) for seed in range(5)]
    row = RankedQuery(
        View(images[0], BOX),
        [Answer(images[1], BOX, .9, MATCH), Answer(images[2], BOX, .8, OTHER), Answer(images[3], BOX, .7, MATCH)],
        [View(images[4], BOX)], ('AP 0.83', ))
    sheet = draw_sheet('title', [('heading', [row])], topk=4)
    places = {kind: frames(sheet, kind) for kind in (QUERY, MATCH, OTHER, MISSED)}
    assert [len(places[kind]) for kind in (QUERY, MATCH, OTHER, MISSED)] == [1, 2, 1, 1]
    order = [places[QUERY][0], places[MATCH][0], places[OTHER][0], places[MATCH][1], places[MISSED][0]]
    assert order == sorted(order)
    assert {y for _, y, _, _ in order} == {order[0][1]}
    assert order[0][0] == MARGIN + LABEL_WIDTH
    for (x, y, x2, y2), image in zip(order[1:], images[1:]):
        assert (y2 - y, x2 - x) == (CROP_SIZE[0] + 2 * FRAME, CROP_SIZE[1] + 2 * FRAME)
        assert np.array_equal(sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME], image[40:248, 30:134])
    step = order[2][0] - order[1][0]
    empty = order[3][0] + step  # the fourth answer does not exist
    assert (sheet[order[0][1]:order[0][3], empty:empty + step - FRAME] == PAPER).all()


def test_sheet_without_truth_has_neutral_frames_and_no_column_of_missed() -> None:
    row = RankedQuery(View(picture(0), BOX), [Answer(picture(seed), BOX, .9) for seed in (1, 2, 3)])
    sheet = draw_sheet('title', [('', [row])], topk=3)
    assert len(frames(sheet, UNKNOWN)) == 3
    assert not frames(sheet, MATCH)
    assert not frames(sheet, OTHER)
    assert not frames(sheet, MISSED)
    right = frames(sheet, UNKNOWN)[2][2]
    assert sheet.shape[1] - right == MARGIN


def test_sheet_of_scenes_draws_each_image_once_with_its_boxes() -> None:
    blank = np.full((200, 416, 3), 90, np.uint8)  # as wide as a cell, 17 pixels from its upper and lower edge
    images = [blank.copy() for _ in range(3)]
    row = RankedQuery(View(images[0], (10, 3, 110, 183)), [
        Answer(images[1], (50, 43, 150, 143), .9, OTHER, [(200, 43, 300, 163)]),
        Answer(images[1], (300, 10, 400, 190), .8, OTHER),
        Answer(images[2], (60, 13, 160, 113), .7, MATCH)
    ])
    sheet = draw_sheet('title', [('', [row])], topk=3, scenes=True)
    (query, ), (other, ), (match, ) = (
        [frame for frame in frames(sheet, kind) if frame[2] - frame[0] > 400] for kind in (QUERY, OTHER, MATCH))
    for (x, y, _, _), kind, bbox in ((query, QUERY, (10, 20, 110, 200)), (other, OTHER, (50, 60, 150, 160)),
                                     (other, MISSED, (200, 60, 300, 180)), (match, MATCH, (60, 30, 160, 130))):
        scene = sheet[y + FRAME:y + FRAME + 234, x + FRAME:x + FRAME + 416]
        rows, columns = np.nonzero((scene == COLORS[kind]).all(axis=2))
        edge = 3 if kind != MISSED else 0  # solid boxes are drawn around the person, dashes on the border
        assert abs(columns.min() + edge - bbox[0]) <= 1
        assert abs(rows.min() + edge - bbox[1]) <= 1
        assert abs(columns.max() - edge - bbox[2]) <= 2
        assert abs(rows.max() - edge - bbox[3]) <= 2
        inside = scene[bbox[1] + 4:bbox[3] - 4, bbox[0] + 4:bbox[2] - 4]
        assert (inside == 90).all()


def test_whole_images_fill_their_cells_and_notes_stand_below() -> None:
    images = [picture(seed, *CROP_SIZE) for seed in range(4)]
    row = RankedQuery(
        View(images[0], note='camera 2'),
        [Answer(images[1], None, .1, MATCH, note='camera 0'), Answer(images[2], score=.2, verdict=OTHER)],
        [View(images[3])])
    sheet = draw_sheet('', [('', [row])], topk=2, measure='distance')
    order = [frames(sheet, kind)[0] for kind in (QUERY, MATCH, OTHER, MISSED)]
    for (x, y, x2, y2), image in zip(order, images):
        assert np.array_equal(sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME], image)
    below = order[0][3] + 5 + NOTE_HEIGHT
    inked = [bool((sheet[below:below + NOTE_HEIGHT, x:x2] != PAPER).any()) for x, _, x2, _ in order]
    assert inked == [True, True, False, False]
    plain = draw_sheet('', [('', [RankedQuery(View(images[0]), [])])], topk=2)
    assert sheet.shape[0] - plain.shape[0] == NOTE_HEIGHT
    assert plain.shape[0] > order[0][3] + CAPTION_HEIGHT


def test_sheet_is_as_wide_as_its_title() -> None:
    row = RankedQuery(View(picture(0), BOX), [])
    title = draw_sheet('a long title ' * 9, [('', [row])], topk=1)
    right = np.nonzero((title[MARGIN - 8:MARGIN + 12] != PAPER).any(axis=(0, 2)))[0].max()
    assert MARGIN <= title.shape[1] - right <= MARGIN + 12  # the title ends with a blank


@pytest.mark.parametrize('score', [None, .25])
def test_caption_names_rank_and_score(monkeypatch, score: float | None) -> None:
    from pedsearch.visualization.sheet import _caption
    answer = Answer(picture(0), score=score, verdict=MATCH)
    assert _caption(3, answer) == ('3 ✓' if score is None else '3 · 0.25 ✓')
