"""Average precision that does not depend on the order of equal scores.

Shape legend: n scored items, h hits (the items that are right).
"""

from typing import Any

import numpy as np

from .arrays import as_array


def precision_at_hits(hit_scores: np.ndarray, sorted_scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and worst-case rank at each hit.

    For a hit of score s, with ``N`` items and ``H`` hits that score at least s: precision ``H / N``, rank
    ``N - H + 1``. Equal scores form one step, so the rank of the best hit is its place behind every wrong item that
    ties with it: a model that gives everything the same score is not credited with a top-1.

    Args:
        hit_scores (numpy.ndarray): (h,) scores of the hits.
        sorted_scores (numpy.ndarray): (n,) scores of all items, the hits included, rising.

    Returns:
        tuple[numpy.ndarray, numpy.ndarray]: (h,) float64 precisions and (h,) int64 ranks counted from 1 among the
        wrong items, both in the order of ``hit_scores``.
    """
    num_items = len(sorted_scores) - np.searchsorted(sorted_scores, hit_scores)  # (h,)
    num_hits = len(hit_scores) - np.searchsorted(np.sort(hit_scores), hit_scores)  # (h,)
    return num_hits / num_items, num_items - num_hits + 1


def average_precision(labels: Any, scores: Any) -> float:
    """Step-wise average precision with ties merged: ``sum_n (R_n - R_{n-1}) P_n`` over the distinct scores.

    It equals scikit-learn's ``average_precision_score``; every hit of a step contributes that step's precision, so
    the sum is the mean precision over the hits.

    Args:
        labels (array-like): (n,) true for hits.
        scores (array-like): (n,), higher is better.

    Returns:
        float: in [0, 1]; 0 without any hit.

    Raises:
        ValueError: if the lengths differ or a score is NaN.

    Example:
        >>> round(average_precision([1, 0, 1], [0.5, 0.5, 0.2]), 6)
        0.583333
    """
    labels, scores = as_array(labels, 'labels').astype(bool), as_array(scores, 'scores')
    if labels.ndim != 1 or labels.shape != scores.shape:
        raise ValueError(f'labels and scores must have one shape (n,), got {labels.shape} and {scores.shape}')
    if np.isnan(scores).any():
        raise ValueError('scores must be numbers, got NaN; look for NaN in the features or weights')
    if not labels.any():
        return 0.0
    precisions, _ = precision_at_hits(scores[labels], np.sort(scores))
    return float(precisions.mean())
