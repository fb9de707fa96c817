"""Pseudo labels: what they are, and how they are numbered.

Labels are int64, one a point; ``NOISE`` marks a point of no cluster, every other number >= 0 is a cluster.

Shape legend: N points, K clusters.
"""

from typing import Any

import numpy as np

from pedsearch.functional.arrays import as_array

NOISE = -1


def check_labels(labels: Any, name: str, num: int | None = None,
                 meaning: str = '-1 (noise) or a cluster >= 0') -> np.ndarray:
    """``labels`` as an array, copied only if it must be.

    Args:
        labels (array-like | torch.Tensor): (N,) integers, -1 or more; an empty list is fine.
        name (str): what to call them in an error.
        num (int | None): how many there must be. Defaults to None, any number.
        meaning (str): what the numbers stand for, for an error.

    Returns:
        numpy.ndarray: (N,) int64.

    Raises:
        TypeError: if they are no integers.
        ValueError: if the shape is wrong or a number is below -1.
    """
    array = as_array(labels, name)
    if array.ndim != 1:
        raise ValueError(f'{name} must have shape (N,), got {array.shape}; pass one label a point')
    if num is not None and len(array) != num:
        raise ValueError(f'{name} must have {num} entries, one a point, got {len(array)}')
    if array.size and array.dtype.kind not in 'iu':
        raise TypeError(f'{name} must hold integers, got {array.dtype}; convert it with astype(int64)')
    array = array.astype(np.int64, copy=False)
    if array.size and array.min() < NOISE:
        raise ValueError(f'{name} must be {meaning}, got {array.min()}')
    return array


def noise_to_singletons(labels: Any) -> np.ndarray:
    """Make every noise point a cluster of its own.

    Args:
        labels (array-like | torch.Tensor): (N,) integers, -1 is noise.

    Returns:
        numpy.ndarray: (N,) int64 copy without -1. Clusters keep their numbers; the noise points are numbered from
        the largest label + 1, in index order.

    Source: the label generation of SpCL (Ge et al., NeurIPS 2020). Deviation: none.

    Example:
        >>> noise_to_singletons([0, -1, 1, -1, 0]).tolist()
        [0, 2, 1, 3, 0]
    """
    labels = check_labels(labels, 'labels')
    return to_singletons(labels, labels == NOISE)


def to_singletons(labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Copy of ``labels`` (N,) int64 in which each point of the mask ``chosen`` (N,) gets a number of its own, from the
    largest label + 1, in index order.
    """
    separated = labels.copy()
    separated[chosen] = labels.max(initial=NOISE) + 1 + np.arange(np.count_nonzero(chosen))
    return separated


def number_by_first_member(labels: np.ndarray) -> np.ndarray:
    """``labels`` (N,) int64 with the clusters renumbered 0..K-1 in the order of their lowest member; -1 stays."""
    clustered = labels != NOISE
    _, first, cluster = np.unique(labels[clustered], return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered = np.full(len(labels), NOISE, dtype=np.int64)
    numbered[clustered] = rank[cluster]
    return numbered
