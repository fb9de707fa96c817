"""How good pseudo labels are, where identities are known.

Shape legend: N points.
"""

from typing import Any

import numpy as np

from .labels import NOISE, check_labels, noise_to_singletons

_UNLABELED = -1  # as in pedsearch.structures, whose import would bring in mmdet


def clustering_quality(labels: Any, identities: Any) -> dict[str, float]:
    """Compare pseudo labels with identities.

    Only points of known identity count. What is undefined is NaN.

    Args:
        labels (array-like | torch.Tensor): (N,) integers, -1 is noise.
        identities (array-like | torch.Tensor): (N,) integers, -1 is unknown.

    Returns:
        dict[str, float]: ``ari`` adjusted Rand index, in [-0.5, 1], and ``nmi`` normalised mutual information
        (arithmetic mean), in [0, 1], both with every noise point as a cluster of its own; ``purity`` share of the
        points in clusters whose identity is the commonest of their cluster; ``outlier_share`` share of noise points;
        ``num_clusters`` number of clusters (int).

    Raises:
        TypeError: if a value is no integer.
        ValueError: if lengths differ or a value is below -1.

    Source: own; scikit-learn's ``adjusted_rand_score`` and ``normalized_mutual_info_score``.

    Example:
        >>> clustering_quality([0, 0, 0, 1, -1], identities=[7, 7, 8, 9, 9])['purity']
        0.75
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    labels = check_labels(labels, 'labels')
    identities = check_labels(identities, 'identities', len(labels), '-1 (unknown) or an identity >= 0')
    known = identities != _UNLABELED
    labels, identities = labels[known], identities[known]
    clustered = labels != NOISE
    quality = {'ari': np.nan, 'nmi': np.nan, 'purity': np.nan, 'outlier_share': np.nan,
               'num_clusters': len(np.unique(labels[clustered]))}
    if len(labels):
        singletons = noise_to_singletons(labels)
        quality['ari'] = float(adjusted_rand_score(identities, singletons))
        quality['nmi'] = float(normalized_mutual_info_score(identities, singletons))
        quality['outlier_share'] = float(1 - clustered.mean())
    if clustered.any():
        quality['purity'] = _purity(labels[clustered], identities[clustered])
    return quality


def _purity(labels: np.ndarray, identities: np.ndarray) -> float:
    pairs, counts = np.unique(np.stack([labels, identities]), axis=1, return_counts=True)
    commonest = np.maximum.reduceat(counts, np.flatnonzero(np.diff(pairs[0], prepend=-1)))  # pairs come by label
    return float(commonest.sum() / len(labels))
