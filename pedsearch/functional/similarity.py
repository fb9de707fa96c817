"""Inner products of queries with all detections.

Shape legend: q queries, N items, U distinct items, D embedding dimensions.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_SIMS_PER_CHUNK = 2**23  # 32 MiB of float32
_VALUES_PER_CHUNK = 2**19  # 4 MiB of uint64


@dataclass(frozen=True)
class DistinctRows:
    """Rows without their repetitions, so that equal rows get equal products.

    A matrix product rounds differently at the edges of its tiles: multiplied as they are, equal float32 rows got
    unequal similarities for a third of the queries (measured with OpenBLAS), which turns ties into noise.

    Attributes:
        rows (numpy.ndarray): (U, D) distinct rows, by first appearance.
        inverse (numpy.ndarray | None): (N,) int64 position of each item's row; None if all differ.
    """

    rows: np.ndarray
    inverse: np.ndarray | None

    @classmethod
    def of(cls, items: np.ndarray) -> 'DistinctRows':
        """Find the distinct rows of ``items`` (N, D); 0.0 and -0.0 are one number."""
        first, inverse = _first_of_each(_row_codes(items))
        if len(first) == len(items):
            return cls(items, None)
        repeated = np.flatnonzero(first[inverse] != np.arange(len(items)))
        if not np.array_equal(items[repeated], items[first[inverse[repeated]]]):
            first, inverse = _first_of_each(_exact_row_codes(items))
        return cls(items[first], inverse)

    def similarity(self, queries: np.ndarray) -> np.ndarray:
        """Inner products (q, N) of ``queries`` (q, D) with all items."""
        sims = queries @ self.rows.T  # (q, D) @ (D, U) -> (q, U)
        return sims if self.inverse is None else sims[:, self.inverse]


def similarity_rows(queries: np.ndarray, items: np.ndarray) -> Iterator[np.ndarray]:
    """Inner products (N,) of each of ``queries`` (Q, D) with all ``items`` (N, D), never all of them at a time."""
    distinct = DistinctRows.of(items.astype(np.result_type(items, queries), copy=False))
    step = max(1, _SIMS_PER_CHUNK // max(1, len(items)))
    for start in range(0, len(queries), step):
        yield from distinct.similarity(queries[start:start + step])  # (q, N)


def _first_of_each(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First position of each code, rising, and (N,) int64 which of those codes each item has."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[inverse]


def _row_codes(items: np.ndarray) -> np.ndarray:
    """(N,) uint64: equal rows have equal codes, different ones almost surely different codes.

    Sums of numbers that depend on a value's bits and its place. Each product carries differences upwards, each shift
    brings them down again, so that rows of few different values (signs, say) do not meet.
    """
    bits = _bits(items[:0])
    weights = np.random.default_rng(0).integers(2**63, size=bits.shape[1], dtype=np.uint64) * 2 + 1
    codes = np.empty(len(items), dtype=np.uint64)
    step = max(1, _VALUES_PER_CHUNK // max(1, len(weights)))
    for start in range(0, len(items), step):
        mixed = _bits(items[start:start + step]).astype(np.uint64)
        for _ in range(2):
            mixed ^= mixed >> np.uint64(32)
            mixed *= weights
        codes[start:start + step] = mixed.sum(axis=1)
    return codes


def _exact_row_codes(items: np.ndarray) -> np.ndarray:
    """(N,) int64, equal where and only where rows are equal."""
    return np.unique(_bits(items), axis=0, return_inverse=True)[1].reshape(-1)


def _bits(items: np.ndarray) -> np.ndarray:
    """The numbers of each row as unsigned integers of their width, with -0.0 made 0.0."""
    return np.ascontiguousarray(items + items.dtype.type(0)).view(f'u{min(items.itemsize, 8)}')
