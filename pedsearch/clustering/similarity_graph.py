"""The sparse graph of similarities that clustering works on.

A stored value is 1 - distance, in [0, 1]; a pair that is not stored has the distance 1. The graph is symmetric; whether
its diagonal is stored does not matter.

Shape legend: N points, P pairs.
"""

from typing import Any

import numpy as np
from scipy import sparse

from pedsearch.functional.arrays import as_array

_BLOCK_ENTRIES = 2**23  # looked at in one go, so that nothing of the size of the graph is allocated
SMALLEST = float(np.finfo(np.float32).tiny)  # the least similarity that counts as one: above a stored zero
ROUNDING = 1e-6


def check_similarity(similarity: Any) -> sparse.csr_matrix | sparse.csr_array:
    """``similarity`` as a CSR matrix; the given one itself if it is CSR, float32 or float64 and free of duplicates.

    Args:
        similarity (scipy.sparse matrix or array | array-like | torch.Tensor): (N, N) numbers in [0, 1].

    Returns:
        scipy.sparse.csr_matrix | scipy.sparse.csr_array: (N, N) float32 or float64.

    Raises:
        TypeError: if it holds no numbers.
        ValueError: if it is not square or a value is NaN or not in [0, 1]; 1e-6 beyond is taken for rounding.
    """
    if not sparse.issparse(similarity):
        similarity = as_array(similarity, 'similarity')
    shape = similarity.shape
    if len(shape) != 2 or shape[0] != shape[1]:
        raise ValueError(f'similarity must have shape (N, N), got {shape}; pass the graph of jaccard_similarity')
    if similarity.dtype.kind not in 'biuf':
        raise TypeError(f'similarity must hold real numbers, got {similarity.dtype}')
    if similarity.dtype not in (np.float32, np.float64):
        similarity = similarity.astype(np.float32)
    graph = similarity.tocsr() if sparse.issparse(similarity) else sparse.csr_matrix(similarity)
    if not graph.has_canonical_format:
        graph = graph.copy() if graph is similarity else graph
        graph.sum_duplicates()
    if graph.nnz:
        low, high = graph.data.min(), graph.data.max()
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # not: NaN fails every comparison
            raise ValueError(f'similarity must be in [0, 1], got values from {low} to {high}; pass 1 - distance')
    return graph


def close_pairs(graph: sparse.csr_matrix | sparse.csr_array,
                threshold: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs whose similarity is at least ``threshold`` > 0, each once.

    Args:
        graph (scipy.sparse.csr_matrix | scipy.sparse.csr_array): (N, N) of :func:`check_similarity`.
        threshold (float): least similarity.

    Returns:
        tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]: (P,) lower points, (P,) higher points, (P,) similarities;
        sorted by lower, then by higher point.

    Raises:
        ValueError: if the two halves of the graph differ for a point.
    """
    num = graph.shape[0]
    # For each i: pairs (i, j) of the upper half less (j, i) of the lower, every j with a weight of its own.
    weights = np.random.default_rng(0).uniform(1, 2, num)
    unpaired, num_pairs = np.zeros(num), np.zeros(num, dtype=np.int64)
    parts = []
    for start, stop in _row_blocks(graph.indptr):
        bounds = graph.indptr[start:stop + 1]
        stored = slice(bounds[0], bounds[-1])
        rows = np.repeat(np.arange(start, stop, dtype=graph.indices.dtype), np.diff(bounds))
        cols, sims = graph.indices[stored], graph.data[stored]
        close = np.flatnonzero(sims >= threshold)
        rows, cols, sims = rows[close], cols[close], sims[close]
        upper = rows < cols
        lower = rows > cols
        unpaired -= np.bincount(cols[lower], weights[rows[lower]] * sims[lower], minlength=num)
        rows, cols, sims = rows[upper], cols[upper], sims[upper]
        unpaired += np.bincount(rows, weights[cols] * sims, minlength=num)
        num_pairs += np.bincount(rows, minlength=num)
        parts.append((rows, cols, sims))
    differ = np.abs(unpaired) > 10 * ROUNDING * (num_pairs + 1)
    if differ.any():
        raise ValueError(f'similarity must be symmetric, but for point {int(differ.argmax())} its two halves differ; '
                         'pass similarity.maximum(similarity.T)')
    lower, higher, sims = zip(*parts) if parts else ((), (), ())
    empty = graph.indices[:0]
    return np.concatenate([empty, *lower]), np.concatenate([empty, *higher]), np.concatenate([graph.data[:0], *sims])


def _row_blocks(indptr: np.ndarray) -> list[tuple[int, int]]:
    """Ranges of rows that hold about ``_BLOCK_ENTRIES`` entries or are one row."""
    starts = np.searchsorted(indptr, np.arange(0, indptr[-1], _BLOCK_ENTRIES), side='right') - 1
    starts = np.unique(starts)
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(indptr) - 1]))
