"""Which detections a query is searched among.

Shape legend: I images and N detections of the table, g detections of one gallery.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .detection_table import DetectionTable
from .search_query import SearchQuery

DUPLICATES = ('dedup', 'dicl', 'seqnet')


def check_duplicates(value: Any) -> str:
    """``value`` itself; ValueError unless it is one of :data:`DUPLICATES`."""
    if value not in DUPLICATES:
        raise ValueError(f'duplicates must be one of {DUPLICATES}, got {value!r}')
    return value


@dataclass(frozen=True)
class Gallery:
    """What one query searches.

    Attributes:
        dets (numpy.ndarray): (g,) int64 detections to rank, in table order.
        counted (numpy.ndarray): (I,) how often an image counts in ``n_gt`` if it shows the target.
        ranked (numpy.ndarray): (I,) how often the detections of an image are ranked.
    """

    dets: np.ndarray
    counted: np.ndarray
    ranked: np.ndarray


class GalleryFinder:
    """Galleries of queries; one that several queries share is looked up once."""

    def __init__(self, table: DetectionTable, duplicates: str) -> None:
        self.table = table
        self.duplicates = duplicates
        self.all_dets = np.arange(len(table.images))
        self.int_ids = np.array(table.img_ids) if all(isinstance(i, (int, np.integer)) for i in table.img_ids) else None
        self.shared: dict[int, tuple[Any, Gallery]] = {}

    def of(self, query: SearchQuery) -> Gallery:
        """The gallery of ``query``."""
        if query.gallery is None:
            return self._all_but(self.table.row_of.get(query.img_id))
        key = id(query.gallery)
        if key not in self.shared:
            if len(self.shared) >= 64:  # per-query galleries are not worth keeping
                self.shared.clear()
            self.shared[key] = (query.gallery, self._of_rows(self._rows(query.gallery)))
        return self.shared[key][1]

    def _all_but(self, own_row: int | None) -> Gallery:
        once = np.ones(len(self.table.img_ids), dtype=np.int64)
        if own_row is None:
            return Gallery(self.all_dets, once, once)
        once[own_row] = 0
        own_dets = slice(self.table.starts[own_row], self.table.starts[own_row + 1])
        return Gallery(np.delete(self.all_dets, own_dets), once, once)

    def _rows(self, img_ids: Sequence[Hashable] | np.ndarray) -> np.ndarray:
        """Rows of the named images; images with neither detections nor targets cannot matter and are dropped."""
        if self.int_ids is not None and isinstance(img_ids, np.ndarray) and img_ids.dtype.kind in 'iu':
            rows = np.minimum(np.searchsorted(self.int_ids, img_ids), len(self.int_ids) - 1)
            return rows[self.int_ids[rows] == img_ids]
        img_ids = img_ids.tolist() if isinstance(img_ids, np.ndarray) else img_ids
        row_of = self.table.row_of
        return np.array([row_of[img_id] for img_id in img_ids if img_id in row_of], dtype=np.int64)

    def _of_rows(self, rows: np.ndarray) -> Gallery:
        named = np.bincount(rows, minlength=len(self.table.img_ids))  # (I,)
        counted = np.minimum(named, 1) if self.duplicates == 'dedup' else named
        ranked = named if self.duplicates == 'dicl' else np.minimum(named, 1)
        return Gallery(np.repeat(self.all_dets, ranked[self.table.images]), counted, ranked)
