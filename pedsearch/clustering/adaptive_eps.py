"""A radius for DBSCAN that follows the distances at hand.

Shape legend: N points.
"""

from typing import Any

import numpy as np

from .settings import check_ratio
from .similarity_graph import SMALLEST, check_similarity, close_pairs


def adaptive_eps(similarity: Any, *, ratio: float) -> float:
    """Mean of the lowest ``round(ratio * count)`` of all distances between two points.

    ``count`` is the number of pairs whose distance is not exactly 0; halves are rounded to even.

    Args:
        similarity (scipy.sparse matrix or array | array-like | torch.Tensor): (N, N) symmetric, 1 - distance in [0, 1];
            a pair that is not stored has the distance 1.
        ratio (float): share of the pairs, in (0, 1]. GCL: 0.002 for Market-1501, 0.0012 for MSMT17.

    Returns:
        float: eps in [0, 1]; 0 where no two points differ.

    Raises:
        TypeError: if ``similarity`` holds no numbers.
        ValueError: if ``similarity`` is not square, symmetric and in [0, 1], if ``ratio`` is not in (0, 1], or if it
            selects no pair.

    Source: JVTC (Li and Zhang, ECCV 2020) and GCL (Chen et al., CVPR 2021), released code. Deviation: a ratio that
    selects nothing is an error, there the result is NaN.

    Example:
        >>> similarity = [[1, .9, .3], [.9, 1, .8], [.3, .8, 1]]
        >>> round(adaptive_eps(similarity, ratio=.67), 6)  # of the distances .1, .2 and .7
        0.15
    """
    ratio = check_ratio(ratio, 'ratio')
    graph = check_similarity(similarity)
    sims = close_pairs(graph, SMALLEST)[2]
    num_pairs = graph.shape[0] * (graph.shape[0] - 1) // 2
    num_stored = len(sims)
    sims = sims[sims < 1]
    count = num_pairs - (num_stored - len(sims))
    if count == 0:
        return 0.0
    selected = round(ratio * count)
    if selected == 0:
        raise ValueError(f'ratio {ratio} selects none of the {count} distances that are not 0; '
                         'pass a larger ratio, or a fixed eps')
    num_below_one = min(selected, len(sims))  # pairs that are not stored have the distance 1 and come last
    if num_below_one < len(sims):
        sims = np.partition(sims, len(sims) - num_below_one)[-num_below_one:]
    return float((1 - sims.astype(np.float64)).sum() + (selected - num_below_one)) / selected
