"""Which members of a cluster to trust: those that stay together under a tighter and a looser clustering.

Shape legend: N points, K clusters.
"""

from typing import Any

import numpy as np

from pedsearch.functional.settings import check_threshold

from .labels import NOISE, check_labels, noise_to_singletons, to_singletons

_KEPT_SHARE = 0.9


def reliable_labels(normal: Any, tight: Any, loose: Any, *,
                    threshold: float | None = None) -> tuple[np.ndarray, float | None]:
    """Keep of each cluster what the tight and the loose labels confirm.

    With C, T and L the clusters of a point in the three labelings::

        compactness  R_comp  = 1 - |C & T| / |C | T|        (0: the tight cluster is the same)
        independence R_indep = 1 - |C & L| / |C | L|        (0: the loose cluster is the same)

    A cluster's scores are the smallest of its members. In index order, a point leaves its cluster if the cluster's
    R_indep is above ``threshold`` or its own R_comp above the cluster's; the last member left stays.

    Args:
        normal (array-like | torch.Tensor): (N,) integers, labels to refine. -1, noise, counts as a cluster of one
            in all three.
        tight (array-like | torch.Tensor): (N,) integers, labels at a smaller radius.
        loose (array-like | torch.Tensor): (N,) integers, labels at a larger radius.
        threshold (float | None): in [0, 1]. Defaults to None: computed, so that about nine clusters of ten of two or
            more members pass. SpCL computes it at the first clustering of a run and keeps it.

    Returns:
        tuple[numpy.ndarray, float | None]: (N,) int64 labels and the threshold used. Kept members keep their number;
        points that leave and noise points are clusters of their own, numbered from ``max(normal) + 1`` in index order,
        so no label is -1. The threshold is None if it was to be computed and no cluster has two members; then give None
        again next time.

    Raises:
        TypeError: if labels are no integers.
        ValueError: if lengths differ, a label is below -1, or ``threshold`` is not in [0, 1].

    Source: SpCL (Ge et al., NeurIPS 2020), the reliability criterion, released code. Deviation: none.

    Example:
        >>> reliable_labels([0, 0, 0, 1, 1, 2], tight=[0, 0, 1, 2, 2, 3], loose=[0, 0, 0, 0, 0, 1])
        (array([0, 0, 3, 1, 1, 2]), 0.6)
    """
    normal = check_labels(normal, 'normal')
    tight, loose = check_labels(tight, 'tight', len(normal)), check_labels(loose, 'loose', len(normal))
    if threshold is not None:
        threshold = check_threshold(threshold, 'threshold')
        if not 0 <= threshold <= 1:
            raise ValueError(f'threshold must be in [0, 1], got {threshold}; pass None to have it computed')
    _, clusters, sizes = np.unique(noise_to_singletons(normal), return_inverse=True, return_counts=True)
    spread = _jaccard_distance(clusters, noise_to_singletons(tight))  # (N,) R_comp
    merged = _jaccard_distance(clusters, noise_to_singletons(loose))  # (N,) R_indep
    cluster_spread, cluster_merged = _lowest(spread, clusters, len(sizes)), _lowest(merged, clusters, len(sizes))
    if threshold is None:
        threshold = _independence_threshold(cluster_merged[sizes > 1])
    leaves = spread > cluster_spread[clusters]
    if threshold is not None:
        leaves |= (cluster_merged > threshold)[clusters]
    # Walking in index order ends with the highest member where all want to leave; elsewhere all that want to, do.
    last_member = np.zeros(len(sizes), dtype=np.int64)
    last_member[clusters] = np.arange(len(clusters))  # of equal places, the last one written remains
    stayers = np.bincount(clusters[~leaves], minlength=len(sizes))
    leaves[last_member[stayers == 0]] = False
    return to_singletons(normal, leaves | (normal == NOISE)), threshold


def _jaccard_distance(clusters: np.ndarray, others: np.ndarray) -> np.ndarray:
    """1 - |A & B| / |A | B| (N,) of the two clusters A, B that hold each point.

    The set sizes follow from how often a pair of labels occurs, so nothing of the size N x N is built.
    """
    _, others = np.unique(others, return_inverse=True)
    pairs = clusters * (others.max(initial=0) + 1) + others
    _, pairs, num_common = np.unique(pairs, return_inverse=True, return_counts=True)
    common = num_common[pairs]
    return 1 - common / (np.bincount(clusters)[clusters] + np.bincount(others)[others] - common)


def _lowest(values: np.ndarray, clusters: np.ndarray, num: int) -> np.ndarray:
    """Lowest of the ``values`` (N,) of each cluster's members, (K,)."""
    lowest = np.ones(num)
    np.minimum.at(lowest, clusters, values)
    return lowest


def _independence_threshold(cluster_merged: np.ndarray) -> float | None:
    """The R_indep that nine tenths of the clusters do not exceed."""
    num = len(cluster_merged)
    if num == 0:
        return None
    return float(np.sort(cluster_merged)[min(num - 1, round(_KEPT_SHARE * num))])
