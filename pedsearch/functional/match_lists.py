"""Which gallery items are right for a query and which do not count.

Shape legend: Q queries, G gallery items, C columns (gallery items whose identity is known), b queries of one block,
P list entries of one block.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import as_array

_UNLABELED = -1  # as in pedsearch.structures, whose import would bring in mmdet

RowLists = tuple[np.ndarray, np.ndarray]
"""indptr (b + 1,) and indices (P,), both int64: the list of row i is ``indices[indptr[i]:indptr[i + 1]]``."""


@dataclass(frozen=True)
class MatchLists:
    """True matches and junk of each query, as ranges of the gallery sorted by identity and camera.

    A gallery item of the query's identity is junk if the query's camera took it, else a true match. No Q x G mask is
    made.

    Attributes:
        shape (tuple[int, int]): (Q, G).
        columns (numpy.ndarray): (C,) int64 gallery items with an identity, rising; the others leave the gallery.
        order (numpy.ndarray): (C,) int64 columns by identity, then camera, then column.
        bounds (numpy.ndarray): (Q, 4) int64 where in ``order`` the query's identity begins, its junk begins, its junk
            ends and its identity ends.
    """

    shape: tuple[int, int]
    columns: np.ndarray
    order: np.ndarray
    bounds: np.ndarray

    @classmethod
    def of(cls, query_pids: Any, gallery_pids: Any, query_camids: Any = None,
           gallery_camids: Any = None) -> 'MatchLists':
        """Sort the gallery and look every query up.

        Args:
            query_pids (array-like): (Q,) int >= -1; a query of -1 has no true match.
            gallery_pids (array-like): (G,) int >= -1; items of -1 leave the gallery.
            query_camids (array-like, optional): (Q,) int.
            gallery_camids (array-like, optional): (G,) int. Without cameras nothing is junk.

        Raises:
            TypeError, ValueError: on ids of another kind or number, cameras of one side only, or if no query has a
                true match.
        """
        query_pids, gallery_pids = _check_pids(query_pids, 'query_pids'), _check_pids(gallery_pids, 'gallery_pids')
        if (query_camids is None) != (gallery_camids is None):
            missing = 'query_camids' if query_camids is None else 'gallery_camids'
            raise ValueError(f'cameras must be given for queries and gallery or for neither, got no {missing}')
        columns = np.flatnonzero(gallery_pids != _UNLABELED)
        pids, column_pids = _renumber(query_pids, gallery_pids[columns])
        if query_camids is None:  # as if each query came from a camera of its own
            cams, column_cams = np.ones_like(pids), np.zeros_like(column_pids)
        else:
            query_camids = _check_ids(query_camids, 'query_camids', len(query_pids))
            gallery_camids = _check_ids(gallery_camids, 'gallery_camids', len(gallery_pids))
            cams, column_cams = _renumber(query_camids, gallery_camids[columns])
        num_cams = max(cams.max(), column_cams.max(initial=0)) + 1
        keys = column_pids * num_cams + column_cams
        order = np.argsort(keys, kind='stable')
        first = pids * num_cams
        bounds = np.stack([first, first + cams, first + cams + 1, first + num_cams], axis=1)
        lists = cls((len(query_pids), len(gallery_pids)), columns, order, np.searchsorted(keys[order], bounds))
        if not lists.num_matches.any():
            shared = (lists.bounds[:, 3] > lists.bounds[:, 0]).any()
            reason = ('every gallery item of a query\'s identity is from the query\'s camera; use a gallery of other '
                      'cameras, or no camids' if shared else
                      f'query_pids (the first is {query_pids[0]}) and gallery_pids (the first is {gallery_pids[0]}) '
                      'share no identity; number both alike')
            raise ValueError(f'at least one query must have a true match in the gallery, got none: {reason}')
        return lists

    @property
    def num_matches(self) -> np.ndarray:
        """(Q,) int64 true matches of each query."""
        begin, junk_begin, junk_end, end = self.bounds.T
        return junk_begin - begin + end - junk_end

    def matches(self, rows: slice) -> RowLists:
        """Columns of the true matches of some queries."""
        bounds = self.bounds[rows]
        return self._gather(bounds[:, 0::2], bounds[:, 1::2])

    def junk(self, rows: slice) -> RowLists:
        """Columns of the junk of some queries."""
        bounds = self.bounds[rows]
        return self._gather(bounds[:, 1:2], bounds[:, 2:3])

    def _gather(self, begins: np.ndarray, ends: np.ndarray) -> RowLists:
        """Columns in the ranges (b, r) of each row."""
        lengths = ends - begins
        indptr = np.concatenate([[0], lengths.sum(axis=1).cumsum()])
        shifts = begins.ravel() - (lengths.cumsum() - lengths.ravel())
        places = np.arange(indptr[-1]) + np.repeat(shifts, lengths.ravel())
        return indptr, self.order[places]


def _renumber(query_ids: np.ndarray, column_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same ids as small numbers, so that two of them fit into one key."""
    numbers = np.unique(np.concatenate([query_ids, column_ids]), return_inverse=True)[1]
    return numbers[:len(query_ids)], numbers[len(query_ids):]


def _check_pids(pids: Any, name: str) -> np.ndarray:
    pids = _check_ids(pids, name)
    if not len(pids):
        raise ValueError(f'{name} must hold at least one identity, got none; check the test set')
    if pids.min() < _UNLABELED:
        raise ValueError(f'{name} must be >= 0, or {_UNLABELED} for no identity, got {pids.min()}')
    return pids


def _check_ids(ids: Any, name: str, num: int | None = None) -> np.ndarray:
    ids = as_array(ids, name)
    if ids.ndim != 1 or (num is not None and len(ids) != num):
        raise ValueError(f'{name} must have shape ({"n" if num is None else num},), got {ids.shape}; '
                         'pass one id per sample')
    if ids.dtype.kind not in 'iu' and len(ids):
        raise TypeError(f'{name} must be integers, got {ids.dtype}')
    return ids.astype(np.int64, copy=False)
