import numpy as np
import pytest

from pedsearch.visualization import RankedQuery, View
from pedsearch.visualization.best_and_worst import draw_best_and_worst, select_best_and_worst

from .sheet_frames import picture


def test_best_and_worst_are_the_extremes_one_per_person() -> None:
    aps, pids, num_targets = [.5, 1., 1., None, 0., .2, .9], [0, 1, 1, 2, 3, 3, 4], [1, 1, 3, 1, 1, 1, 1]
    best, worst = select_best_and_worst(aps, pids, num_targets, 2, 3)
    assert best == [2, 6]  # 1 is the same person with fewer targets
    assert worst == [4, 0, 1]
    with pytest.raises(ValueError, match='must be a query with a target in its gallery, got none among 1'):
        select_best_and_worst([None], [0], [1], 1, 1)


@pytest.mark.parametrize(('aps', 'numbers', 'title'), [
    ([.5, 1.], (1, 1), '1 best and 1 worst of 2 queries by average precision, at most one per person'),
    ([.5, 1.], (0, 9), '2 worst of 2 queries by average precision, at most one per person'),
    ([.5, None, None], (1, 1), '1 best of 1 queries by average precision, at most one per person '
     '(2 without a match in the gallery left out)'),
])
def test_title_says_what_is_drawn(monkeypatch, aps: list, numbers: tuple, title: str) -> None:
    drawn = []
    monkeypatch.setattr('pedsearch.visualization.best_and_worst.draw_sheet',
                        lambda *args: drawn.append(args) or np.zeros(0))
    draw_best_and_worst(aps, range(len(aps)), [1] * len(aps), lambda place: place, *numbers, topk=2)
    assert drawn[0][0] == title


def test_rows_stand_in_order_of_the_lists(monkeypatch) -> None:
    drawn = []
    monkeypatch.setattr('pedsearch.visualization.best_and_worst.draw_sheet',
                        lambda *args: drawn.append(args) or np.zeros(0))
    rows = [RankedQuery(View(picture(place)), []) for place in range(4)]
    draw_best_and_worst([.3, .9, .1, .8], range(4), [1] * 4, rows.__getitem__, 2, 2, 5, measure='distance')
    _, groups, topk, scenes, measure = drawn[0]
    assert [(name, [list(map(id, rows)).index(id(row)) for row in ranked]) for name, ranked in groups] == [
        ('Highest average precision', [1, 3]), ('Lowest average precision', [2, 0])]
    assert (topk, scenes, measure) == (5, False, 'distance')


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match='not both 0, topk >= 1, got 0, 0, 8'):
        draw_best_and_worst([1.], [0], [1], id, 0, 0, 8)
    with pytest.raises(ValueError, match='not both 0, topk >= 1, got 1, 1, 0'):
        draw_best_and_worst([1.], [0], [1], id, 1, 1, 0)
