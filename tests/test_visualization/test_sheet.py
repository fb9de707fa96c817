"""Oracles: slices of the images, and the colours of frames at the places where the layout puts them."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.datasets import SearchSceneDataset
from pedsearch.functional import SearchQuery, evaluate_search
from pedsearch.visualization.sheet import (
    COLORS,
    CROP_SIZE,
    FRAME,
    LABEL_WIDTH,
    MARGIN,
    MATCH,
    MISSED,
    OTHER,
    OUTSIDE,
    PAPER,
    QUERY,
    UNKNOWN,
    Answer,
    RankedQuery,
    View,
    cut_out,
    draw_ranked_galleries,
    draw_sheet,
    read_image,
    select_best_and_worst,
    surround,
)

TOOL = str(Path(__file__).parents[2] / 'tools/analysis_tools/vis_ranked_gallery.py')


def picture(seed: int, height: int = 300, width: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (height, width, 3), dtype=np.uint8)


def frames(sheet: np.ndarray, kind: str) -> list[tuple[int, int, int, int]]:
    """Outer rectangles (x1, y1, x2, y2) of the frames of a kind, row by row."""
    mask = (sheet == COLORS[kind]).all(axis=2).astype(np.uint8)
    reach = 12 if kind == MISSED else 0  # closes the gaps between dashes
    grown = cv2.dilate(mask, np.ones((2 * reach + 1, 2 * reach + 1)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(grown)
    found = [tuple(int(value) for value in stat[:4]) for stat in stats[1:count] if min(stat[2:4]) > 100]
    found = [(x + reach, y + reach, x + w - reach, y + h - reach) for x, y, w, h in found]
    if kind == MISSED:  # growing has joined the frame and the caption below it
        found = [(x, y, x2, y + CROP_SIZE[0] + 2 * FRAME) for x, y, x2, _ in found]
        assert all((sheet[y2 - 1, x] == COLORS[kind]).all() for x, _, _, y2 in found)
    return sorted(found, key=lambda frame: (frame[1], frame[0]))


# -- crops ------------------------------------------------------------------------------------------------------------


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


# -- the sheet --------------------------------------------------------------------------------------------------------

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
    row = RankedQuery(View(picture(0), BOX), [Answer(picture(1), BOX, .9)])
    sheet = draw_sheet('title', [('', [row])], topk=1)
    assert len(frames(sheet, UNKNOWN)) == 1
    assert not frames(sheet, MATCH)
    assert not frames(sheet, OTHER)
    assert not frames(sheet, MISSED)
    right = frames(sheet, UNKNOWN)[0][2]
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


# -- from a test to a sheet -------------------------------------------------------------------------------------------


def record(ap: float | None, n_gt: int = 1) -> dict:
    return dict(ap=ap, n_gt=n_gt)


def test_best_and_worst_are_the_extremes_one_per_person() -> None:
    records = [record(.5), record(1.), record(1., 3), record(None), record(0.), record(.2), record(.9)]
    pids = [0, 1, 1, 2, 3, 3, 4]
    best, worst = select_best_and_worst(records, pids, 2, 3)
    assert [records.index(one) for one in best] == [2, 6]  # 1 is the same person with fewer targets
    assert [next(i for i, r in enumerate(records) if r is one) for one in worst] == [4, 0, 1]
    with pytest.raises(ValueError, match='must hold a query with a target in its gallery, got none in 1'):
        select_best_and_worst([record(None)], [0], 1, 1)


@pytest.fixture
def searched(tmp_path: Path) -> tuple[dict, list[dict]]:
    """Five images that show person 1 (twice not found at rank one) and person 2; the dataset's config, the result."""
    (tmp_path / 'images').mkdir()
    (tmp_path / 'annotations').mkdir()
    images, annotations = [], []
    for index in range(5):
        cv2.imwrite(str(tmp_path / f'images/{index}.png'), picture(index)[..., ::-1])
        images.append(dict(id=index, file_name=f'{index}.png', width=400, height=300))
        for pid, x in ((1, 30), (2, 230)):
            if (pid, index) != (2, 4):
                annotations.append(dict(id=len(annotations), image_id=index, category_id=1, person_id=pid,
                                        bbox=[x, 40, CROP_SIZE[1], CROP_SIZE[0]], area=1, iscrowd=0))
    content = dict(info=dict(format='pedsearch-scenes', version=1), categories=[dict(id=1, name='person')],
                   images=images, annotations=annotations)
    (tmp_path / 'annotations/test.json').write_text(json.dumps(content))
    queries = [dict(image_id=0, bbox=[x, 40, CROP_SIZE[1], CROP_SIZE[0]], person_id=pid, gallery=None)
               for pid, x in ((1, 30), (2, 230))]
    (tmp_path / 'annotations/test_protocol.json').write_text(json.dumps(dict(queries=queries)))
    config = dict(type='SearchSceneDataset', data_root=str(tmp_path), split='test', test_mode=True)
    dataset = SearchSceneDataset(**{key: value for key, value in config.items() if key != 'type'})
    dataset.full_init()
    boxes = np.array([[30, 40, 134, 248], [230, 40, 334, 248]], float)
    right, wrong = np.eye(2), np.eye(2)[::-1]
    detections = {index: (boxes, np.ones(2), wrong if index == 3 else right) for index in range(5)}
    entries = dataset.metainfo['protocols'][next(iter(dataset.metainfo['protocols']))]
    result = evaluate_search(detections, [SearchQuery(entry['img_id'], entry['bbox'], np.eye(2)[entry['pid'] - 1],
                                                      entry['targets'], entry['gallery']) for entry in entries])
    return config, result['per_query']


def test_ranked_galleries_of_a_test(searched: tuple) -> None:
    config, per_query = searched
    dataset = SearchSceneDataset(**{key: value for key, value in config.items() if key != 'type'})
    sheet = draw_ranked_galleries(dataset, per_query, num_best=1, num_worst=1, topk=4)
    expected = {kind: 0 for kind in (MATCH, OTHER)}
    for one in per_query:
        for hit in one['top'][:4]:
            expected[MATCH if hit['is_match'] else OTHER] += 1
    assert expected[MATCH] > 0
    assert expected[OTHER] > 0
    assert {kind: len(frames(sheet, kind)) for kind in (MATCH, OTHER)} == expected
    assert len(frames(sheet, QUERY)) == len(frames(sheet, MISSED)) == 2
    by_place = sorted(frames(sheet, MATCH) + frames(sheet, OTHER), key=lambda frame: (frame[1], frame[0]))
    best = max(per_query, key=lambda one: one['ap'])
    for (x, y, x2, y2), one in zip(frames(sheet, MISSED), sorted(per_query, key=lambda one: -one['ap'])):
        found = {hit['img_id'] for hit in one['top'][:4] if hit['is_match']}
        left = int(one['bbox'][0])
        targets = [picture(index)[40:248, left:left + CROP_SIZE[1]] for index in range(1, 5 if left == 30 else 4)
                   if index not in found]
        shown = sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME]
        assert sum(np.array_equal(shown, target) for target in targets) == 1
    for (x, y, x2, y2), hit in zip(by_place, best['top'][:4]):
        x1 = int(hit['bbox'][0])
        assert np.array_equal(sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME],
                              picture(hit['img_id'])[40:248, x1:x1 + CROP_SIZE[1]])


def test_records_of_another_dataset_are_refused(searched: tuple) -> None:
    config, per_query = searched
    dataset = SearchSceneDataset(**{key: value for key, value in config.items() if key != 'type'})
    with pytest.raises(ValueError, match=r'the query \[1.0, 2.0, 3.0, 4.0\] in image 0 is not in the protocol'):
        draw_ranked_galleries(dataset, [dict(per_query[0], bbox=[1, 2, 3, 4])])
    with pytest.raises(ValueError, match="protocol must be one of .* got 'nothing'"):
        draw_ranked_galleries(dataset, per_query, protocol='nothing')
    with pytest.raises(ValueError, match='not both 0, topk >= 1, got 0, 0, 8'):
        draw_ranked_galleries(dataset, per_query, 0, 0)


def test_tool_draws_what_the_function_draws(searched: tuple, tmp_path: Path, monkeypatch) -> None:
    config, per_query = searched
    (tmp_path / 'config.py').write_text(f"default_scope = 'pedsearch'\ntest_dataloader = dict(dataset={config!r})\n")
    dump = dict(format='pedsearch-search-dump', evaluations=dict(primary=per_query))
    (tmp_path / 'dump.json').write_text(json.dumps(dump))
    out = tmp_path / 'deep/ranked.png'

    def run(dump: str, *options: str) -> None:
        monkeypatch.setattr(sys, 'argv', [TOOL, str(tmp_path / 'config.py'), str(tmp_path / dump), str(out), *options])
        runpy.run_path(TOOL, run_name='__main__')

    run('dump.json', '--best', '1', '--worst', '1', '--topk', '4')
    dataset = SearchSceneDataset(**{key: value for key, value in config.items() if key != 'type'})
    assert np.array_equal(cv2.imread(str(out))[..., ::-1], draw_ranked_galleries(dataset, per_query, 1, 1, 4))
    with pytest.raises(ValueError, match='dump .*config.py is not JSON'):
        run('config.py')
    with pytest.raises(FileNotFoundError, match='dump .*none.json does not exist; write it with tools/test.py --out'):
        run('none.json')
    with pytest.raises(ValueError, match=r"--evaluation must be one of \['primary'\], got 'control'"):
        run('dump.json', '--evaluation', 'control')
    (tmp_path / 'list.json').write_text('[]')
    with pytest.raises(ValueError, match='list.json must be a dump of PersonSearchMetric'):
        run('list.json')
