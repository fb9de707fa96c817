"""Distances from queries to gallery, one block of queries at a time.

Shape legend: Q queries, G gallery items, C columns (gallery items to rank), U distinct columns, b queries of one
block, D embedding dimensions.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .arrays import as_array
from .neighbours import full_precision, paired_feats, unit_rows
from .similarity import DistinctRows


@dataclass(frozen=True)
class FeatDistances:
    """Distances of features.

    Unit vectors are ordered alike by Euclidean distance and by falling inner product; a block holds the negative
    inner products, which single precision tells apart better.

    Attributes:
        queries (Tensor): (Q, D) unit vectors.
        distinct (Tensor): (U, D) the different unit vectors of the columns.
        inverse (Tensor | None): (C,) int64 which of those each column is; None if all differ. Equal columns get equal
            distances, which a product with all columns would not promise.
    """

    queries: Tensor
    distinct: Tensor
    inverse: Tensor | None

    @classmethod
    def of(cls, query_feats: Any, gallery_feats: Any, shape: tuple[int, int], columns: np.ndarray) -> 'FeatDistances':
        """Check and normalise features.

        Args:
            query_feats (array-like | Tensor): (Q, D).
            gallery_feats (array-like | Tensor): (G, D). Both float64 or integers: double precision, else single.
            shape (tuple[int, int]): (Q, G) as the labels say.
            columns (numpy.ndarray): (C,) int64 gallery items to keep.

        Raises:
            TypeError, ValueError: on other kinds or shapes, or values that are not finite.
        """
        query, gallery = paired_feats(query_feats, gallery_feats)
        for feats, num, side in ((query, shape[0], 'query'), (gallery, shape[1], 'gallery')):
            if len(feats) != num:
                raise ValueError(f'{side}_feats must have one row for each of the {num} {side}_pids, got {len(feats)}')
        wide = all(feats.dtype == torch.float64 or not feats.is_floating_point() for feats in (query, gallery))
        dtype = torch.float64 if wide else torch.float32
        if len(columns) < shape[1]:
            gallery = gallery[torch.from_numpy(columns).to(gallery.device)]
        gallery = unit_rows(gallery, 'gallery_feats').to(dtype)
        rows = DistinctRows.of(gallery.cpu().numpy())
        if rows.inverse is None:
            distinct, inverse = gallery, None
        else:
            distinct, inverse = (torch.from_numpy(part).to(gallery.device) for part in (rows.rows, rows.inverse))
        return cls(unit_rows(query, 'query_feats').to(dtype), distinct, inverse)

    @property
    def dtype(self) -> torch.dtype:
        return self.queries.dtype

    def block(self, rows: slice) -> Tensor:
        """Negative inner products (b, C) of some queries."""
        with full_precision():
            products = -self.queries[rows] @ self.distinct.T  # (b, D) @ (D, U) -> (b, U)
        return products if self.inverse is None else products[:, self.inverse]

    def euclidean(self, values: np.ndarray) -> np.ndarray:
        """Euclidean distances for entries of blocks."""
        return np.sqrt(np.maximum(2 + 2 * values, 0))


@dataclass(frozen=True)
class GivenDistances:
    """Distances that were computed before.

    Attributes:
        dist (numpy.ndarray | Tensor): (Q, G).
        columns (numpy.ndarray): (C,) int64 gallery items to keep.
        dtype (torch.dtype): of the blocks: float64 for double precision and integers (exact up to 2^53), else float32.
    """

    dist: np.ndarray | Tensor
    columns: np.ndarray
    dtype: torch.dtype

    @classmethod
    def of(cls, dist: Any, shape: tuple[int, int], columns: np.ndarray) -> 'GivenDistances':
        """Check the shape; values are checked as they are read.

        Args:
            dist (array-like | Tensor): (Q, G) on any device.
            shape (tuple[int, int]): (Q, G) as the labels say.
            columns (numpy.ndarray): (C,) int64 gallery items to keep.

        Raises:
            TypeError, ValueError: on another kind or shape.
        """
        if isinstance(dist, Tensor):
            if dist.is_complex():
                raise TypeError(f'dist must hold real numbers, got {dist.dtype}')
            dist = dist.detach()
            wide = not dist.is_floating_point() or dist.dtype == torch.float64
        else:
            dist = as_array(dist, 'dist')
            wide = dist.dtype.kind != 'f' or dist.itemsize > 4
        if tuple(dist.shape) != shape:
            raise ValueError(f'dist must have shape {shape}, one row per query and one column per gallery item, '
                             f'got {tuple(dist.shape)}')
        return cls(dist, columns, torch.float64 if wide else torch.float32)

    def block(self, rows: slice) -> Tensor:
        """Distances (b, C) of some queries."""
        block = self.dist[rows]
        if isinstance(block, np.ndarray):  # a copy only where torch cannot share the memory
            block = torch.from_numpy(np.require(block, np.float64 if self.dtype == torch.float64 else np.float32, 'CW'))
        block = block.to(self.dtype)
        if len(self.columns) < block.shape[1]:
            block = block[:, torch.from_numpy(self.columns).to(block.device)]
        if block.amin().isnan():
            row = rows.start + int(block.isnan().any(dim=1).int().argmax())
            raise ValueError(f'dist must not hold NaN, got it in row {row}; look for NaN in the features')
        return block

    def euclidean(self, values: np.ndarray) -> np.ndarray:
        """The entries themselves."""
        return values
