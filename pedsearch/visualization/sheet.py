"""A sheet of ranked queries: a query, and what the model found for it.

One row per query. As crops: the query with its surroundings, the best answers of equal size, and a target that is not
among them. As scenes: the query's whole image and the best answers' whole images with boxes. A missed target is one
that is not among the answers shown, while at least one of those is wrong.

Shape legend: H x W image; a region is (x1, y1, x2, y2) in pixels of an image and may stick out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from .drawing import (
    COLORS,
    FAINT,
    INK,
    MATCH,
    MISSED,
    OTHER,
    OUTSIDE,
    PAPER,
    QUERY,
    UNKNOWN,
    cut_out,
    draw_box,
    draw_dashes,
    font,
    read_image,
    surround,
)

FRAME, GAP, MARGIN, LABEL_WIDTH, CAPTION_HEIGHT, NOTE_HEIGHT = 5, 12, 28, 168, 26, 16
CROP_SIZE, QUERY_SIZE, SCENE_SIZE = (208, 104), (208, 156), (234, 416)
"""(height, width) of the picture inside a frame: an answer's crop, the query's crop, a whole scene."""


@dataclass(frozen=True)
class View:
    """A person in an image.

    ``image`` is a path or an (H, W, 3) uint8 RGB array, ``bbox`` (4,) xyxy in its pixels, None for the whole image.
    ``note`` stands below the picture, such as its camera.
    """

    image: str | np.ndarray
    bbox: Sequence[float] | None = None
    note: str = field(default='', kw_only=True)


@dataclass(frozen=True)
class Answer(View):
    """A view that a model found, with the similarity or distance it was ranked by.

    ``verdict`` is MATCH, OTHER, or UNKNOWN where nobody knows the truth. ``overlooked`` holds the boxes of the right
    person in the same image, where this answer and the others are not it.
    """

    score: float | None = None
    verdict: str = UNKNOWN
    overlooked: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class RankedQuery:
    """A query, its answers, best first, the targets that are not among them, and lines of text for its margin."""

    query: View
    answers: Sequence[Answer]
    missed: Sequence[View] = ()
    lines: Sequence[str] = field(default_factory=tuple)

    @property
    def views(self) -> list[View]:
        """Whatever may be drawn of it."""
        return [self.query, *self.answers, *self.missed]


@dataclass(frozen=True)
class _Cell:
    """A column of a row: a picture, the kind of its frame, and what stands below."""

    picture: Image.Image
    kind: str
    caption: str
    note: str = ''


def draw_sheet(title: str, groups: Sequence[tuple[str, Sequence[RankedQuery]]], topk: int, scenes: bool = False,
               measure: str = 'similarity') -> np.ndarray:
    """Draw groups of ranked queries below one another.

    Args:
        title (str): first line.
        groups (Sequence): (heading, rows); an empty heading takes no space.
        topk (int): answers per row.
        scenes (bool): whole scenes instead of crops.
        measure (str): what the score of an answer is.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB. A cell's picture lies inside a frame of ``FRAME`` pixels.
    """
    rows = [row for _, ranked in groups for row in ranked]
    judged = any(answer.verdict != UNKNOWN for row in rows for answer in row.answers)
    label_width = LABEL_WIDTH if any(row.lines for row in rows) else 0
    whole = all(row.query.bbox is None for row in rows)  # such queries have no surroundings to show
    query_size = SCENE_SIZE if scenes else CROP_SIZE if whole else QUERY_SIZE
    columns = _columns(query_size, topk, scenes, judged and not scenes)
    row_height = query_size[0] + 2 * FRAME + CAPTION_HEIGHT + GAP
    row_height += NOTE_HEIGHT * any(view.note for row in rows for view in row.views)
    legend, legend_width = _legend(judged, measure)
    width = 2 * MARGIN + max(label_width + columns[-1][0] + columns[-1][1][1] + 2 * FRAME, legend_width,
                             int(font(20, bold=True).getlength(title)))
    heading_height = 34
    height = MARGIN + 66 + sum(heading_height * bool(name) + row_height * len(ranked) for name, ranked in groups) + 8
    sheet = Image.new('RGB', (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN - 8), title, INK, font(20, bold=True))
    _draw_legend(draw, (MARGIN, MARGIN + 28), legend)
    y = MARGIN + 66
    for name, ranked in groups:
        if name:
            draw.text((MARGIN, y), name, INK, font(15, bold=True))
            draw.line((MARGIN, y + 23, width - MARGIN, y + 23), OUTSIDE, 2)
            y += heading_height
        for row in ranked:
            _draw_lines(draw, (MARGIN, y + 4), row.lines)
            cells = _scene_cells(row, topk) if scenes else _crop_cells(row, query_size, topk, judged)
            for (x, size), cell in zip(columns, cells):
                if cell is not None:
                    _draw_cell(sheet, (MARGIN + label_width + x, y), size, cell)
            y += row_height
    return np.asarray(sheet)


def _columns(query_size: tuple[int, int], topk: int, scenes: bool,
             with_missed: bool) -> list[tuple[int, tuple[int, int]]]:
    """Left edge and picture size of every column: the query, the answers, a missed target."""
    sizes = [query_size] + [SCENE_SIZE if scenes else CROP_SIZE] * (topk + with_missed)
    columns, x = [], 0
    for index, size in enumerate(sizes):
        columns.append((x, size))
        wide = index == 0 or (with_missed and index == topk)
        x += size[1] + 2 * FRAME + (2 * GAP if wide else GAP)
    return columns


# -- cells ------------------------------------------------------------------------------------------------------------


def _crop_cells(row: RankedQuery, query_size: tuple[int, int], topk: int, judged: bool) -> list[_Cell | None]:
    """One per column, None for an empty one."""
    cells = [_Cell(_query_crop(row.query, query_size), QUERY, 'query', row.query.note)]
    cells += [_Cell(_crop(answer, CROP_SIZE), answer.verdict, _caption(rank, answer), answer.note)
              for rank, answer in enumerate(row.answers[:topk], start=1)]
    cells += [None] * (topk + 1 - len(cells))
    if judged and row.missed:
        caption = f'{len(row.missed)} not in top {min(topk, len(row.answers))}'
        cells.append(_Cell(_crop(row.missed[0], CROP_SIZE), MISSED, caption, row.missed[0].note))
    return cells


def _query_crop(query: View, size: tuple[int, int]) -> Image.Image:
    """The query with its surroundings and its box, or the whole image."""
    if query.bbox is None:
        return _crop(query, size)
    region = surround(query.bbox, size, context=1.35)
    picture = cut_out(read_image(query.image), region, size)
    draw_box(ImageDraw.Draw(picture), _to_cell(query.bbox, region, size), QUERY, 2)
    return picture


def _crop(view: View, size: tuple[int, int]) -> Image.Image:
    image = read_image(view.image)
    return cut_out(image, surround(_whole(image) if view.bbox is None else view.bbox, size), size)


def _scene_cells(row: RankedQuery, topk: int) -> list[_Cell]:
    """The query's scene and the best answer in each of the next scenes."""
    cells = [_Cell(_scene(row.query.image, [(row.query.bbox, QUERY)]), QUERY, 'query', row.query.note)]
    seen = set()
    for rank, answer in enumerate(row.answers, start=1):
        name = answer.image if isinstance(answer.image, str) else id(answer.image)
        if name in seen or len(cells) > topk:
            continue
        seen.add(name)
        boxes = [(bbox, MISSED) for bbox in answer.overlooked] + [(answer.bbox, answer.verdict)]
        cells.append(_Cell(_scene(answer.image, boxes), answer.verdict, _caption(rank, answer), answer.note))
    return cells


def _scene(image: str | np.ndarray, boxes: Sequence[tuple[Sequence[float] | None, str]]) -> Image.Image:
    """A whole image, fitted into a cell, with boxes of some kinds."""
    image = read_image(image)
    region = surround(_whole(image), SCENE_SIZE)
    picture = cut_out(image, region, SCENE_SIZE)
    for bbox, kind in boxes:
        if bbox is not None:
            draw_box(ImageDraw.Draw(picture), _to_cell(bbox, region, SCENE_SIZE), kind, 3)
    return picture


def _whole(image: np.ndarray) -> tuple[int, int, int, int]:
    return 0, 0, image.shape[1], image.shape[0]


def _caption(rank: int, answer: Answer) -> str:
    score = '' if answer.score is None else f' \N{MIDDLE DOT} {answer.score:.2f}'
    return f'{rank}{score}' + {MATCH: ' \N{CHECK MARK}', OTHER: ' \N{BALLOT X}'}.get(answer.verdict, '')


def _to_cell(bbox: Sequence[float], region: Sequence[float], size: tuple[int, int]) -> tuple[float, ...]:
    scale = size[0] / (region[3] - region[1])
    return tuple((value - region[axis % 2]) * scale for axis, value in enumerate(bbox))


# -- strokes ----------------------------------------------------------------------------------------------------------


def _draw_cell(sheet: Image.Image, corner: tuple[int, int], size: tuple[int, int], cell: _Cell) -> None:
    (x, y), (height, width) = corner, size
    sheet.paste(cell.picture, (x + FRAME, y + FRAME))
    draw = ImageDraw.Draw(sheet)
    outer = (x, y, x + width + 2 * FRAME, y + height + 2 * FRAME)
    if cell.kind == MISSED:
        draw_dashes(draw, outer, cell.kind, FRAME)
    else:
        draw.rectangle((outer[0], outer[1], outer[2] - 1, outer[3] - 1), outline=COLORS[cell.kind], width=FRAME)
    middle = (outer[0] + outer[2]) / 2
    color = COLORS[cell.kind] if cell.kind != UNKNOWN else INK
    draw.text((middle, outer[3] + 5), cell.caption, color, font(13), anchor='ma')
    draw.text((middle, outer[3] + 5 + NOTE_HEIGHT), cell.note, FAINT, font(12), anchor='ma')


def _draw_lines(draw: ImageDraw.ImageDraw, corner: tuple[int, int], lines: Sequence[str]) -> None:
    for index, line in enumerate(lines):
        y = corner[1] + (0 if index == 0 else 10 + 19 * index)
        draw.text((corner[0], y), line, FAINT if index else INK, font(12) if index else font(18, bold=True))


def _legend(judged: bool, measure: str) -> tuple[list[tuple[int, str, str]], int]:
    """(left edge, kind of the frame or '', text) of what the legend says, and its width."""
    items, x = [], 0
    for kind in (QUERY, MATCH, OTHER, MISSED) if judged else (QUERY, UNKNOWN):
        items.append((x, kind, 'answer' if kind == UNKNOWN else kind))
        x += 30 + int(font(12).getlength(items[-1][2])) + 26
    items.append((x, '', f'below an answer: rank \N{MIDDLE DOT} {measure}'))
    return items, x + int(font(12).getlength(items[-1][2]))


def _draw_legend(draw: ImageDraw.ImageDraw, corner: tuple[int, int], items: Sequence[tuple[int, str, str]]) -> None:
    for offset, kind, text in items:
        x, y = corner[0] + offset, corner[1]
        if kind == MISSED:
            draw_dashes(draw, (x, y + 2, x + 22, y + 14), kind, 3)
        elif kind:
            draw.rectangle((x, y + 2, x + 21, y + 13), outline=COLORS[kind], width=3)
        draw.text((x + 30 * bool(kind), y), text, FAINT, font(12))
