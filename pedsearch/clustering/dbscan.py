"""DBSCAN on a sparse graph of similarities, for several radii in one pass.

Shape legend: N points, P pairs of neighbours, E radii.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pedsearch.functional.settings import check_count

from .labels import NOISE, number_by_first_member
from .settings import check_eps
from .similarity_graph import ROUNDING, SMALLEST, check_similarity, close_pairs


def dbscan_labels(similarity: Any, *, eps: float | Sequence[float], min_samples: int) -> np.ndarray:
    """Cluster the points of a similarity graph by density.

    Two points are neighbours if 1 - similarity <= eps, up to 1e-6: similarities are float32, and 1 - 0.3 must be within
    0.7. A point with at least ``min_samples`` neighbours, itself included, is a core point. Clusters are the connected
    groups of core points, numbered by their lowest one. A neighbour of a core point that is none itself belongs to the
    lowest-numbered cluster among those of its neighbours; all other points are noise.

    Args:
        similarity (scipy.sparse matrix or array | array-like | torch.Tensor): (N, N) symmetric, 1 - distance in [0, 1];
            a pair that is not stored has the distance 1. Whether the diagonal is stored does not matter. A CSR
            matrix of float32 or float64 is not copied; give jaccard_similarity's result as it is.
        eps (float | Sequence[float]): radius, in [0, 1). Several are answered in one pass over the graph.
        min_samples (int): neighbours, itself included, that make a core point.

    Returns:
        numpy.ndarray: (N,) int64 cluster 0..K-1 or -1, noise; (E, N) if ``eps`` is a sequence.

    Raises:
        TypeError: if ``similarity`` holds no numbers.
        ValueError: if ``similarity`` is not square, symmetric and in [0, 1], or a setting is out of range.

    Source: Ester et al., "A density-based algorithm for discovering clusters", KDD 1996; result and numbering of
    scikit-learn's ``DBSCAN(metric='precomputed')``. Deviation: eps has the tolerance above.

    Example:
        >>> import numpy as np
        >>> similarity = np.eye(4) + np.diag([.9, .5, .1], 1) + np.diag([.9, .5, .1], -1)
        >>> dbscan_labels(similarity, eps=[.5, .2], min_samples=2).tolist()
        [[0, 0, 0, -1], [0, 0, -1, -1]]
    """
    radii = check_eps(eps)
    min_samples = check_count(min_samples, 'min_samples')
    graph = check_similarity(similarity)
    thresholds = [max(1 - radius - ROUNDING, SMALLEST) for radius in radii.ravel().tolist()]
    labels = np.empty((len(thresholds), graph.shape[0]), dtype=np.int64)
    pairs = close_pairs(graph, min(thresholds))
    for place in np.argsort(thresholds, kind='stable'):  # from the widest radius on, each keeps a part of the pairs
        close = pairs[2] >= thresholds[place]
        pairs = tuple(column[close] for column in pairs)
        labels[place] = _cluster(pairs[0], pairs[1], graph.shape[0], min_samples)
    return labels if radii.ndim else labels[0]


def _cluster(lower: np.ndarray, higher: np.ndarray, num: int, min_samples: int) -> np.ndarray:
    """Labels (N,) of ``num`` points whose neighbours are the pairs ``lower``, ``higher`` (P,), sorted by ``lower``."""
    num_neighbours = 1 + np.bincount(lower, minlength=num) + np.bincount(higher, minlength=num)  # (N,)
    core = num_neighbours >= min_samples
    lower_core, higher_core = core[lower], core[higher]
    inner = lower_core & higher_core
    _, groups = connected_components(_upper_graph(lower[inner], higher[inner], num), directed=False)
    labels = number_by_first_member(np.where(core, groups, NOISE))
    border = np.concatenate([lower[higher_core & ~lower_core], higher[lower_core & ~higher_core]])
    reached_by = np.concatenate([higher[higher_core & ~lower_core], lower[lower_core & ~higher_core]])
    lowest = np.full(num, num, dtype=np.int64)
    np.minimum.at(lowest, border, labels[reached_by])
    return np.where(lowest < num, lowest, labels)


def _upper_graph(lower: np.ndarray, higher: np.ndarray, num: int) -> sparse.csr_matrix:
    starts = np.zeros(num + 1, dtype=lower.dtype)
    np.cumsum(np.bincount(lower, minlength=num), out=starts[1:])
    return sparse.csr_matrix((np.ones(len(lower)), higher, starts), shape=(num, num))
