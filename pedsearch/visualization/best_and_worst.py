"""The queries with the highest and the lowest average precision on one sheet."""

from collections.abc import Callable, Sequence

import numpy as np

from .sheet import RankedQuery, draw_sheet


def draw_best_and_worst(aps: Sequence[float | None],
                        pids: Sequence[int],
                        num_targets: Sequence[int],
                        read: Callable[[int], RankedQuery],
                        num_best: int,
                        num_worst: int,
                        topk: int,
                        scenes: bool = False,
                        measure: str = 'similarity') -> np.ndarray:
    """Draw the extremes of Q queries; those without average precision are left out and counted in the title.

    Args:
        aps (Sequence[float | None]): (Q,) average precision of each query, None for one without target.
        pids (Sequence[int]): (Q,) identity of each query.
        num_targets (Sequence[int]): (Q,) how many images of its person the gallery holds.
        read (Callable): place of a query -> what to draw of it.
        num_best (int): rows from the top, at most one per person; among equals those with more targets.
        num_worst (int): rows from the bottom, the same way; a query is drawn once.
        topk (int): answers per row.
        scenes (bool): whole scenes instead of crops, at most 3 answers.
        measure (str): what the score of an answer is.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: numbers out of range, or no query has an average precision.
    """
    if num_best < 0 or num_worst < 0 or num_best + num_worst == 0 or topk < 1:
        raise ValueError(f'num_best, num_worst must be >= 0 and not both 0, topk >= 1, got {num_best}, {num_worst}, '
                         f'{topk}')
    halves = select_best_and_worst(aps, pids, num_targets, num_best, num_worst)
    groups = [(name, [read(place) for place in places])
              for name, places in zip(('Highest average precision', 'Lowest average precision'), halves) if places]
    parts = [f'{len(places)} {name}' for name, places in zip(('best', 'worst'), halves) if places]
    without = sum(ap is None for ap in aps)
    title = f'{" and ".join(parts)} of {len(aps) - without} queries by average precision, at most one per person'
    if without:
        title += f' ({without} without a match in the gallery left out)'
    return draw_sheet(title, groups, min(topk, 3) if scenes else topk, scenes, measure)


def select_best_and_worst(aps: Sequence[float | None], pids: Sequence[int], num_targets: Sequence[int], num_best: int,
                          num_worst: int) -> tuple[list[int], list[int]]:
    """Places of the queries with the highest and, apart from those, the lowest average precision.

    Each person comes at most once in each list. Both lists start at the extreme; among equals the query with more
    targets comes first.

    Example:
        >>> select_best_and_worst([.5, 1., 1., None, 0.], [0, 1, 1, 2, 3], [1, 1, 3, 1, 1], 1, 2)
        ([2], [4, 0])
    """
    counted = [place for place, ap in enumerate(aps) if ap is not None]
    if not counted:
        raise ValueError(f'there must be a query with a target in its gallery, got none among {len(aps)}')

    def first_of_each_person(sign: int, candidates: Sequence[int], number: int) -> list[int]:
        order = sorted(candidates, key=lambda place: (sign * aps[place], -num_targets[place]))
        firsts = {pids[place]: place for place in reversed(order)}
        return [place for place in order if firsts[pids[place]] == place][:number]

    best = first_of_each_person(-1, counted, num_best)
    chosen = set(best)
    return best, first_of_each_person(1, [place for place in counted if place not in chosen], num_worst)
