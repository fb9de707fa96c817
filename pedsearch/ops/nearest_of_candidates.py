"""The nearest of each point's candidates by exact distance.

Shape legend: N points, D dimensions, n rows, c candidates of each, k of them wanted.
"""

import torch
from torch import Tensor

from .native import native_library
from .pattern_sq_distances import pattern_sq_distances


def nearest_of_candidates(points: Tensor, rows: Tensor, candidates: Tensor, k: int,
                          grid: float) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates: the point itself first, then by distance, equally distant ones by index.

    Args:
        points: (N, D) float64.
        rows: (n,) int64 points to find neighbours of.
        candidates: (n, c) int32 points, no row with repetitions.
        k: at most c.
        grid: squared distances count as equal if they round to the same multiple of it.

    Returns:
        tuple[Tensor, Tensor]: (n, k) int32 points and (n, k) float64 squared distances.

    Source: own.
    """
    points, candidates = points.contiguous(), candidates.contiguous()
    library = native_library(points.device) if points.device.type == 'cpu' else None
    if library is None:
        return _reference(points, rows, candidates, k, grid)
    indices = candidates.new_empty(len(rows), k)
    sq_dists = points.new_empty(len(rows), k)
    library.call('nearest_of_candidates', points, rows.contiguous(), candidates, *candidates.shape, points.shape[1], k,
                 float(grid), indices, sq_dists)
    return indices, sq_dists


def _reference(points: Tensor, rows: Tensor, candidates: Tensor, k: int, grid: float) -> tuple[Tensor, Tensor]:
    candidates = candidates.sort(dim=1).values  # a stable sort by distance then leaves equal ones by index
    starts = torch.arange(0, candidates.numel() + 1, candidates.shape[1], device=points.device)
    sq_dists = pattern_sq_distances(points[rows], points, starts, candidates.flatten()).view(candidates.shape)
    steps = (sq_dists / grid).round().masked_fill_(candidates == rows[:, None], -1)
    order = steps.argsort(dim=1, stable=True)[:, :k]
    return candidates.gather(1, order), sq_dists.gather(1, order)
