"""Sparse k-reciprocal Jaccard similarity, the graph that pseudo labels are read from.

Shape legend: N features, D dimensions.
"""

from typing import Any

import scipy.sparse

from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.functional.reciprocal import half_list, jaccard_overlap, reciprocal_encoding
from pedsearch.functional.settings import check_count, check_threshold


def jaccard_similarity(feats: Any, *, k1: int = 30, k2: int = 6,
                       min_similarity: float = 0.0) -> scipy.sparse.csr_matrix:
    """One minus the k-reciprocal Jaccard distance of all pairs, as a sparse matrix.

    A point's set holds those of its ``k1`` nearest neighbours that have it among theirs, and close friends of those; it
    is weighted by ``exp(-d^2)``, averaged over the point's ``k2`` nearest neighbours, and compared with other points'
    by ``sum of minima / sum of maxima``. Memory grows with the pairs that share a neighbour, never with N^2.

    Args:
        feats (array-like | Tensor): (N, D), any dtype and device; L2-normalised inside (zero rows stay zero).
        k1 (int): neighbours of a point, the point itself among them.
        k2 (int): neighbours to average over, the point itself among them; 1 for none, at most k1 count.
        min_similarity (float): leave out pairs below it. DBSCAN at ``eps`` needs those from ``1 - eps`` on.

    Returns:
        scipy.sparse.csr_matrix: (N, N) float32, symmetric, 1 on the diagonal, in (0, 1]; absent pairs have distance 1.

    Raises:
        ValueError, TypeError: on settings out of range and on features that are not (N, D) finite numbers.

    Source: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, without the
    original distance, as used for pseudo labels since SpCL (Ge et al., NeurIPS 2020).
    Deviation: equally distant neighbours are taken by index; a point always is its own first neighbour.

    Example:
        >>> similarity = jaccard_similarity([[1, 0], [1, 0], [0, 1]], k1=2, k2=1)
        >>> similarity.toarray().round(3).tolist()
        [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    k1, k2 = check_count(k1, 'k1'), check_count(k2, 'k2')
    if not 0 <= check_threshold(min_similarity, 'min_similarity') <= 1:
        raise ValueError(f'min_similarity must be in [0, 1], got {min_similarity!r}; it is 1 - distance')
    points = unit_rows(feats)
    neighbours = nearest_neighbours(points, k1)
    encoding = reciprocal_encoding(points, neighbours, k_half=half_list(k1), k2=k2)
    return jaccard_overlap(encoding, encoding, min_similarity).to_scipy()
