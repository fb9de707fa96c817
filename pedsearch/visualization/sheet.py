"""Pictures of search results: a query, and what the model found for it.

A sheet has one row per query. As crops: the query with its surroundings, the best answers of equal size, and a target
that is not among them. As scenes: the query's whole image and the best answers' whole images with boxes. Colours mean
the same everywhere: blue the query, green a match, red another person, violet an answer where nobody knows the truth,
amber (dashed) a target that was missed: it is not among the answers shown, and at least one of those is wrong.

Shape legend: H x W image; a region is (x1, y1, x2, y2) in pixels of an image and may stick out of it.
"""

import os.path as osp
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from typing import Any

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pedsearch.datasets.transforms import LoadImage

QUERY, MATCH, OTHER, MISSED, UNKNOWN = 'query', 'match', 'other person', 'missed', 'unknown'
COLORS = {
    QUERY: (47, 107, 214),
    MATCH: (38, 154, 88),
    OTHER: (212, 60, 60),
    MISSED: (232, 150, 32),
    UNKNOWN: (112, 78, 190),
}
PAPER, INK, FAINT = (255, 255, 255), (32, 36, 42), (120, 126, 134)
OUTSIDE = (236, 238, 241)
"""Colour of what lies outside an image."""

FRAME, GAP, MARGIN, LABEL_WIDTH, CAPTION_HEIGHT = 5, 12, 28, 168, 26
CROP_SIZE, QUERY_SIZE, SCENE_SIZE = (208, 104), (208, 156), (234, 416)
"""(height, width) of the picture inside a frame: an answer's crop, the query's crop, a whole scene."""


@dataclass(frozen=True)
class View:
    """A person in an image.

    ``image`` is a path or an (H, W, 3) uint8 RGB array, ``bbox`` (4,) xyxy in its pixels.
    """

    image: str | np.ndarray
    bbox: Sequence[float]


@dataclass(frozen=True)
class Answer(View):
    """A view that a model found, with the similarity it was ranked by.

    ``verdict`` is MATCH, OTHER, or UNKNOWN where nobody knows the truth. ``overlooked`` holds the boxes of the right
    person in the same image, where this answer and the others are not it.
    """

    score: float
    verdict: str = UNKNOWN
    overlooked: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class RankedQuery:
    """A query, its answers by falling score, the targets that are not among them, and lines of text for its margin."""

    query: View
    answers: Sequence[Answer]
    missed: Sequence[View] = ()
    lines: Sequence[str] = field(default_factory=tuple)


# -- from a dump of the metric to ranked queries ----------------------------------------------------------------------


def draw_ranked_galleries(dataset: Any,
                          per_query: Sequence[Mapping],
                          num_best: int = 3,
                          num_worst: int = 3,
                          topk: int = 8,
                          scenes: bool = False,
                          protocol: str | None = None) -> np.ndarray:
    """Draw the queries with the highest and the lowest average precision.

    Args:
        dataset (SearchDataset): the test split that was searched; gives image paths and targets.
        per_query (Sequence[Mapping]): ``per_query`` of :func:`~pedsearch.functional.evaluate_search`.
        num_best (int): rows from the top, at most one per person; among equals those with more targets.
        num_worst (int): rows from the bottom, the same way; a query is drawn once.
        topk (int): answers per row, at most 10 are on record; whole scenes: at most 3.
        scenes (bool): whole scenes instead of crops.
        protocol (str, optional): name of the search protocol; None: the primary one.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no query has an average precision, or the records are not of this dataset.
    """
    if num_best < 0 or num_worst < 0 or num_best + num_worst == 0 or topk < 1:
        raise ValueError(f'num_best, num_worst must be >= 0 and not both 0, topk >= 1, got {num_best}, {num_worst}, '
                         f'{topk}')
    reader = _RowReader(dataset, protocol)
    pids = [reader.query_of(record)['pid'] for record in per_query]
    halves = select_best_and_worst(per_query, pids, num_best, num_worst)
    groups = [(name, [reader.read(record, topk) for record in records])
              for name, records in zip(('Highest average precision', 'Lowest average precision'), halves) if records]
    counted = sum(record['ap'] is not None for record in per_query)
    title = (f'{len(halves[0])} best and {len(halves[1])} worst of {counted} queries by average precision, '
             'at most one per person')
    return draw_sheet(title, groups, min(topk, 3) if scenes else topk, scenes)


def select_best_and_worst(per_query: Sequence[Mapping], pids: Sequence[int], num_best: int,
                          num_worst: int) -> tuple[list, list]:
    """Records with the highest and, apart from those, the lowest ``ap``, each person at most once in each list.

    Both lists start at the extreme; among equals the query with more targets comes first.
    """
    counted = [index for index, record in enumerate(per_query) if record['ap'] is not None]
    if not counted:
        raise ValueError(f'per_query must hold a query with a target in its gallery, got none in {len(per_query)}')

    def first_of_each_person(sign: int, candidates: Sequence[int], number: int) -> list[int]:
        order = sorted(candidates, key=lambda index: (sign * per_query[index]['ap'], -per_query[index]['n_gt']))
        firsts = {pids[index]: index for index in reversed(order)}
        return [index for index in order if firsts[pids[index]] == index][:number]

    best = first_of_each_person(-1, counted, num_best)
    worst = first_of_each_person(1, [index for index in counted if index not in best], num_worst)
    return [per_query[index] for index in best], [per_query[index] for index in worst]


class _RowReader:
    """Looks up images and targets of records in a dataset."""

    def __init__(self, dataset: Any, protocol: str | None) -> None:
        dataset.full_init()
        protocols = dataset.metainfo['protocols']
        if protocol is not None and protocol not in protocols:
            raise ValueError(f'protocol must be one of {sorted(protocols)}, got {protocol!r}')
        queries = protocols[protocol or next(iter(protocols))]
        self.queries = {_query_key(query): query for query in queries}
        infos = (dataset.get_data_info(index) for index in range(len(dataset)))
        self.paths = {info['img_id']: info['img_path'] for info in infos}

    def query_of(self, record: Mapping) -> Mapping:
        key = _query_key(record)
        if key not in self.queries:
            raise ValueError(f'the query {list(key[1])} in image {key[0]} is not in the protocol of this dataset; '
                             'draw with the config that the results were made with')
        return self.queries[key]

    def read(self, record: Mapping, topk: int) -> RankedQuery:
        top = record['top'][:topk]
        found = {hit['img_id'] for hit in top if hit['is_match']}
        missed = {img_id: np.asarray(bboxes).tolist() for img_id, bboxes in self.query_of(record)['targets'].items()
                  if img_id not in found}
        if len(found) == len(top):  # all answers are right, so the others stand behind them, not behind a wrong one
            missed = {}
        answers = [
            Answer(self.paths[hit['img_id']], hit['bbox'], hit['score'], MATCH if hit['is_match'] else OTHER,
                   missed.get(hit['img_id'], ())) for hit in top
        ]
        first = record['first_hit']
        lines = (f'AP {record["ap"]:.2f}', f'{record["n_tp"]} of {record["n_gt"]} targets detected',
                 f'first match at rank {first}' if first else 'no match in the ranking')
        return RankedQuery(View(self.paths[record['img_id']], record['bbox']), answers,
                           [View(self.paths[img_id], bboxes[0]) for img_id, bboxes in missed.items()], lines)


def _query_key(query: Mapping) -> tuple[int, tuple[float, ...]]:
    return query['img_id'], tuple(float(value) for value in query['bbox'])


# -- crops ------------------------------------------------------------------------------------------------------------


def read_image(image: str | np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB; a path is read as datasets read it."""
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f'an image must be a (H, W, 3) uint8 RGB array, got {image.shape} {image.dtype}')
        return image
    return LoadImage()(dict(img_path=str(image)))['img'][..., ::-1]


def surround(bbox: Sequence[float], size: tuple[int, int], context: float = 1.0) -> tuple[float, ...]:
    """The smallest region around a box that has the proportions of ``size``; ``context`` first enlarges the box."""
    (x1, y1, x2, y2), (height, width) = map(float, bbox), size
    scale = max((x2 - x1) * context / width, (y2 - y1) * context / height, 1 / height)  # image pixels per cell pixel
    left, top = (x1 + x2 - width * scale) / 2, (y1 + y2 - height * scale) / 2
    return left, top, left + width * scale, top + height * scale


def cut_out(image: np.ndarray, region: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """Cut a region (x1, y1, x2, y2) and resample it to ``size`` (height, width); the outside is grey."""
    height, width = image.shape[:2]
    border = ceil(max(0., -region[0], -region[1], region[2] - width, region[3] - height))
    picture = Image.fromarray(np.ascontiguousarray(image))
    if border:
        picture = ImageOps.expand(picture, border, OUTSIDE)
    return picture.resize(size[::-1], Image.Resampling.LANCZOS, box=[value + border for value in region])


# -- the sheet --------------------------------------------------------------------------------------------------------


def draw_sheet(title: str, groups: Sequence[tuple[str, Sequence[RankedQuery]]], topk: int,
               scenes: bool = False) -> np.ndarray:
    """Draw groups of ranked queries below one another.

    Args:
        title (str): first line.
        groups (Sequence): (heading, rows); an empty heading takes no space.
        topk (int): answers per row.
        scenes (bool): whole scenes instead of crops.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB. A cell's picture lies inside a frame of ``FRAME`` pixels.
    """
    rows = [row for _, ranked in groups for row in ranked]
    judged = any(answer.verdict != UNKNOWN for row in rows for answer in row.answers)
    label_width = LABEL_WIDTH if any(row.lines for row in rows) else 0
    columns = _columns(topk, scenes, judged and not scenes)
    row_height = SCENE_SIZE[0] + 2 * FRAME + CAPTION_HEIGHT + GAP
    if not scenes:
        row_height += CROP_SIZE[0] - SCENE_SIZE[0]
    width = 2 * MARGIN + label_width + columns[-1][0] + columns[-1][1][1] + 2 * FRAME
    heading_height = 34
    height = MARGIN + 66 + sum(heading_height * bool(name) + row_height * len(ranked) for name, ranked in groups) + 8
    sheet = Image.new('RGB', (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 8), title, INK, _font(20, bold=True))
    _draw_legend(draw, judged, (MARGIN, MARGIN + 28))
    y = MARGIN + 66
    for name, ranked in groups:
        if name:
            draw.text((MARGIN, y), name, INK, _font(15, bold=True))
            draw.line((MARGIN, y + 23, width - MARGIN, y + 23), OUTSIDE, 2)
            y += heading_height
        for row in ranked:
            _draw_lines(draw, (MARGIN, y + 4), row.lines)
            cells = _scene_cells(row, topk) if scenes else _crop_cells(row, topk, judged)
            for (x, size), cell in zip(columns, cells):
                if cell is not None:
                    _draw_cell(sheet, (MARGIN + label_width + x, y), size, *cell)
            y += row_height
    return np.asarray(sheet)


def _columns(topk: int, scenes: bool, with_missed: bool) -> list[tuple[int, tuple[int, int]]]:
    """Left edge and picture size of every column: the query, the answers, a missed target."""
    sizes = [SCENE_SIZE] * (topk + 1) if scenes else [QUERY_SIZE] + [CROP_SIZE] * (topk + with_missed)
    columns, x = [], 0
    for index, size in enumerate(sizes):
        columns.append((x, size))
        wide = index == 0 or (with_missed and index == topk)
        x += size[1] + 2 * FRAME + (2 * GAP if wide else GAP)
    return columns


def _crop_cells(row: RankedQuery, topk: int, judged: bool) -> list[tuple | None]:
    """(picture, kind, caption) of every column, None for an empty one."""
    region = surround(row.query.bbox, QUERY_SIZE, context=1.35)
    picture = cut_out(read_image(row.query.image), region, QUERY_SIZE)
    _draw_box(ImageDraw.Draw(picture), _to_cell(row.query.bbox, region, QUERY_SIZE), QUERY, 2)
    cells = [(picture, QUERY, 'query')]
    for rank, answer in enumerate(row.answers[:topk], start=1):
        cells.append((_crop(answer), answer.verdict, _caption(rank, answer)))
    cells += [None] * (topk + 1 - len(cells))
    if judged and row.missed:
        cells.append((_crop(row.missed[0]), MISSED, f'{len(row.missed)} not in top {min(topk, len(row.answers))}'))
    return cells


def _crop(view: View) -> Image.Image:
    return cut_out(read_image(view.image), surround(view.bbox, CROP_SIZE), CROP_SIZE)


def _scene_cells(row: RankedQuery, topk: int) -> list[tuple]:
    """(picture, kind, caption) of the query's scene and of the best answer in each of the next scenes."""
    cells = [(_scene(row.query.image, [(row.query.bbox, QUERY)]), QUERY, 'query')]
    seen = set()
    for rank, answer in enumerate(row.answers, start=1):
        name = answer.image if isinstance(answer.image, str) else id(answer.image)
        if name in seen or len(cells) > topk:
            continue
        seen.add(name)
        boxes = [(bbox, MISSED) for bbox in answer.overlooked] + [(answer.bbox, answer.verdict)]
        cells.append((_scene(answer.image, boxes), answer.verdict, _caption(rank, answer)))
    return cells


def _scene(image: str | np.ndarray, boxes: Sequence[tuple[Sequence[float], str]]) -> Image.Image:
    """A whole image, fitted into a cell, with boxes of some kinds."""
    image = read_image(image)
    region = surround((0, 0, image.shape[1], image.shape[0]), SCENE_SIZE)
    picture = cut_out(image, region, SCENE_SIZE)
    for bbox, kind in boxes:
        _draw_box(ImageDraw.Draw(picture), _to_cell(bbox, region, SCENE_SIZE), kind, 3)
    return picture


def _caption(rank: int, answer: Answer) -> str:
    mark = {MATCH: ' \N{CHECK MARK}', OTHER: ' \N{BALLOT X}'}.get(answer.verdict, '')
    return f'{rank} \N{MIDDLE DOT} {answer.score:.2f}{mark}'


def _to_cell(bbox: Sequence[float], region: Sequence[float], size: tuple[int, int]) -> tuple[float, ...]:
    scale = size[0] / (region[3] - region[1])
    return tuple((value - region[axis % 2]) * scale for axis, value in enumerate(bbox))


# -- strokes ----------------------------------------------------------------------------------------------------------


@cache
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(osp.join(matplotlib.get_data_path(), 'fonts', 'ttf', name), size)


def _draw_cell(sheet: Image.Image, corner: tuple[int, int], size: tuple[int, int], picture: Image.Image, kind: str,
               caption: str) -> None:
    (x, y), (height, width) = corner, size
    sheet.paste(picture, (x + FRAME, y + FRAME))
    draw = ImageDraw.Draw(sheet)
    outer = (x, y, x + width + 2 * FRAME, y + height + 2 * FRAME)
    if kind == MISSED:
        _draw_dashes(draw, outer, kind, FRAME)
    else:
        draw.rectangle((outer[0], outer[1], outer[2] - 1, outer[3] - 1), outline=COLORS[kind], width=FRAME)
    draw.text(((outer[0] + outer[2]) / 2, outer[3] + 5), caption, COLORS[kind] if kind != UNKNOWN else INK, _font(13),
              anchor='ma')


def _draw_box(draw: ImageDraw.ImageDraw, bbox: Sequence[float], kind: str, width: int) -> None:
    """A box with a thin white edge, which keeps it visible on any ground."""
    x1, y1, x2, y2 = bbox[0], bbox[1], max(bbox[2], bbox[0] + 1), max(bbox[3], bbox[1] + 1)
    if kind == MISSED:
        _draw_dashes(draw, (x1, y1, x2, y2), kind, width)
        return
    draw.rectangle((x1 - width, y1 - width, x2 + width - 1, y2 + width - 1), outline=PAPER, width=1)
    draw.rectangle((x1 - width + 1, y1 - width + 1, x2 + width - 2, y2 + width - 2), outline=COLORS[kind], width=width)


def _draw_dashes(draw: ImageDraw.ImageDraw, outer: Sequence[float], kind: str, width: int) -> None:
    """A dashed rectangle whose strokes lie inside ``outer``; every side starts and ends with a dash."""
    x1, y1, x2, y2 = outer
    for start, end, horizontal in ((x1, x2, True), (y1, y2, False)):
        strokes = max(1, round((end - start) / (4 * width) - 0.5))
        dash = (end - start) / (2 * strokes + 1)
        for a in (start + 2 * dash * index for index in range(strokes + 1)):
            for side in ((y1, y2 - width) if horizontal else (x1, x2 - width)):
                box = (a, side, a + dash - 1, side + width - 1)
                draw.rectangle(box if horizontal else (box[1], box[0], box[3], box[2]), fill=COLORS[kind])


def _draw_lines(draw: ImageDraw.ImageDraw, corner: tuple[int, int], lines: Sequence[str]) -> None:
    for index, line in enumerate(lines):
        y = corner[1] + (0 if index == 0 else 10 + 19 * index)
        draw.text((corner[0], y), line, FAINT if index else INK, _font(12) if index else _font(18, bold=True))


def _draw_legend(draw: ImageDraw.ImageDraw, judged: bool, corner: tuple[int, int]) -> None:
    x, y = corner
    kinds = (QUERY, MATCH, OTHER, MISSED) if judged else (QUERY, UNKNOWN)
    for kind in kinds:
        if kind == MISSED:
            _draw_dashes(draw, (x, y + 2, x + 22, y + 14), kind, 3)
        else:
            draw.rectangle((x, y + 2, x + 21, y + 13), outline=COLORS[kind], width=3)
        text = 'answer' if kind == UNKNOWN else kind
        draw.text((x + 30, y), text, FAINT, _font(12))
        x += 30 + int(_font(12).getlength(text)) + 26
    draw.text((x, y), 'below an answer: rank \N{MIDDLE DOT} similarity', FAINT, _font(12))
