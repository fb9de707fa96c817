"""k-reciprocal encoding: points described by whom they are mutual neighbours with, and how much two share.

Shape legend: N points, D dimensions, E stored entries.
"""

import torch
from torch import Tensor

from pedsearch.ops import SparseRows, pattern_sq_distances, reciprocal_sets, sparse_product

from .neighbours import Neighbours

_VALUES_PER_CHUNK = 2**18


def half_list(k: int) -> int:
    """Entries of the short neighbour lists: half of k without the point itself, rounded to even, and the point."""
    return round(k / 2) + 1


def reciprocal_encoding(points: Tensor, neighbours: Neighbours, *, k_half: int, k2: int,
                        scales: Tensor | None = None, power: int = 1) -> SparseRows:
    """Weights of each point's reciprocal neighbours, averaged over its own nearest neighbours.

    ``v[i, j] = exp(-(d[i, j]^2 / s[i])^power)`` for the j in the expanded reciprocal set of i, each row divided by its
    sum; then row i becomes the mean of the rows of its first ``k2`` neighbours, itself among them.

    Args:
        points: (N, D) float64.
        neighbours: of the points among themselves, the point itself first; all entries count.
        k_half: entries of the short lists, see :func:`half_list`.
        k2: neighbours to average over; 1 for none.
        scales: (N,) float64, s > 0; None for 1.
        power: 1, or 2 where squared distances were taken for distances.

    Returns:
        SparseRows: (N, N) float64 rows that sum to 1; empty for a point without any reciprocal neighbour.

    Source: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, eq. 7-11.
    Deviation: none.
    """
    num_points, num_neighbours = neighbours.indices.shape
    if num_points == 0:
        return SparseRows(neighbours.indices.new_zeros(1, dtype=torch.int64), neighbours.indices.flatten(),
                          neighbours.sq_dists.flatten(), 0)
    indptr, members = reciprocal_sets(neighbours.indices, num_neighbours, min(k_half, num_neighbours))
    exponents = pattern_sq_distances(points, points, indptr, members)
    encoding = SparseRows(indptr, members, exponents, num_points)
    rows = encoding.row_of_entries()
    if scales is not None:
        exponents /= scales[rows]
    weights = exponents.pow_(power).neg_().exp_()
    sums = torch.zeros(num_points, dtype=weights.dtype, device=weights.device).index_add_(0, rows, weights)
    weights /= sums[rows]
    k2 = min(k2, num_neighbours)
    if k2 == 1:
        return encoding
    nearest = neighbours.indices[:, :k2].sort(dim=1).values.flatten()
    starts = torch.arange(0, len(nearest) + 1, k2, device=nearest.device)
    average = SparseRows(starts, nearest, torch.full_like(nearest, 1 / k2, dtype=torch.float64), num_points)
    return sparse_product(average, encoding)


def jaccard_overlap(left: SparseRows, right: SparseRows, min_similarity: float = 0.0) -> SparseRows:
    """Jaccard similarity of encoded points: ``s / (2 - s)`` with ``s = sum of min(v[i, l], v[j, l]) over l``.

    Args:
        left: (n, N) encodings whose rows sum to 1.
        right: (m, N) likewise.
        min_similarity: pairs below it are left out, in [0, 1].

    Returns:
        SparseRows: (n, m) float32 in (0, 1]; absent pairs share nothing.

    Source: Zhong et al., CVPR 2017, eq. 10: 1 minus the Jaccard distance. Deviation: none.
    """
    floor = 2 * min_similarity / (1 + min_similarity)
    shared = sparse_product(left, right.transposed(), 'minimum', floor=floor, dtype=torch.float32)
    for part in shared.values.split(_VALUES_PER_CHUNK):  # in place: there may be many
        part.div_(2.0 - part)
    return shared
