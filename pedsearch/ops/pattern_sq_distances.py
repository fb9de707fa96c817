"""Squared distances of the pairs that a sparse pattern names.

Shape legend: n rows, m columns, D dimensions, E pairs.
"""

import torch
from torch import Tensor

from .native import native_library

_VALUES_PER_CHUNK = 2**18  # 2 MiB of float64: differences stay in the cache


def pattern_sq_distances(left: Tensor, right: Tensor, indptr: Tensor, indices: Tensor) -> Tensor:
    """``|left[i] - right[j]|^2`` for every pair (i, j) of a pattern in compressed rows.

    Differences are squared and added in double precision, for each pair in the same order: equal points get equal
    distances, and identical points exactly 0.

    Args:
        left: (n, D) float64.
        right: (m, D) float64.
        indptr: (n + 1,) int64, where each row begins.
        indices: (E,) int32 columns.

    Returns:
        Tensor: (E,) float64.

    Source: own.
    """
    left, right = left.contiguous(), right.contiguous()
    library = native_library(left.device)
    if library is None:
        return _reference(left, right, indptr, indices)
    sq_dists = left.new_empty(len(indices))
    library.call('pattern_sq_distances', left, right, indptr.contiguous(), indices.contiguous(), len(left),
                 left.shape[1], sq_dists)
    return sq_dists


def _reference(left: Tensor, right: Tensor, indptr: Tensor, indices: Tensor) -> Tensor:
    rows = torch.arange(len(left), device=left.device).repeat_interleave(indptr.diff(), output_size=len(indices))
    sq_dists = left.new_empty(len(indices))
    step = max(1, _VALUES_PER_CHUNK // max(1, left.shape[1]))
    for start in range(0, len(indices), step):
        pairs = slice(start, start + step)
        difference = left[rows[pairs]] - right[indices[pairs]]  # (e, D)
        sq_dists[pairs] = difference.square_().sum(dim=1)
    return sq_dists
