"""Inner products of queries with all detections.

Shape legend: q queries, N items, U distinct items, D embedding dimensions.
"""

from dataclasses import dataclass

import numpy as np


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
        """Find the distinct rows of ``items`` (N, D)."""
        seen: dict[bytes, int] = {}
        inverse = np.array([seen.setdefault(row.tobytes(), len(seen)) for row in items], dtype=np.int64)
        if len(seen) == len(items):
            return cls(items, None)
        return cls(items[np.unique(inverse, return_index=True)[1]], inverse)

    def similarity(self, queries: np.ndarray) -> np.ndarray:
        """Inner products (q, N) of ``queries`` (q, D) with all items."""
        sims = queries @ self.rows.T  # (q, D) @ (D, U) -> (q, U)
        return sims if self.inverse is None else sims[:, self.inverse]
