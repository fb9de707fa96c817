"""Re-ranking of a gallery by k-reciprocal neighbours.

Shape legend: Q queries, G gallery items, N = Q + G, D dimensions, r rows of one tile.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .neighbours import nearest_neighbours, paired_feats, unit_rows
from .reciprocal import half_list, jaccard_overlap, reciprocal_encoding
from .settings import check_count
from .similarity import DistinctRows

VARIANTS = ('zhong', 'zhong_pow4', 'faiss')


def k_reciprocal_rerank(query_feats: Any,
                        gallery_feats: Any,
                        *,
                        k1: int = 20,
                        k2: int = 6,
                        lambda_value: float = 0.3,
                        variant: str = 'zhong') -> Any:
    """Distances between queries and gallery after k-reciprocal re-ranking.

    ``(1 - lambda) J + lambda O``: ``J`` is the Jaccard distance of the k-reciprocal encodings, ``O`` the squared
    Euclidean distance divided by the largest one of the query. Queries and gallery together make the neighbourhoods, so
    that results depend on which other queries are asked. Memory: the (Q, G) result and what grows with N.

    Args:
        query_feats (array-like | Tensor): (Q, D), any dtype and device; L2-normalised inside.
        gallery_feats (array-like | Tensor): (G, D).
        k1 (int): neighbours, without the point itself.
        k2 (int): neighbours to average encodings over, with the point itself; 1 for none, at most k1 + 1 count.
        lambda_value (float): weight of the original distance, in [0, 1].
        variant (str): 'zhong', the published formula on Euclidean distances; 'zhong_pow4', squared distances passed
            where it expects plain ones, as several code bases do; 'faiss', neighbour lists of k1 with the point itself,
            weights from unscaled squared distances, and 1 - cosine for O.

    Returns:
        numpy.ndarray | Tensor: (Q, G) float32, smaller is better; a tensor on the same device if ``query_feats`` is
        one.

    Raises:
        ValueError, TypeError: on settings out of range and on features that are not (N, D) finite numbers of one D.

    Source: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, eq. 12.
    Deviation: equally distant neighbours are taken by index; a point always is its own first neighbour.

    Example:
        >>> k_reciprocal_rerank([[1, 0]], [[1, 0], [0, 1]], k1=1, k2=1).round(3).tolist()
        [[0.0, 1.0]]
    """
    settings = RerankSettings(k1, k2, lambda_value, variant)
    query, gallery = paired_feats(query_feats, gallery_feats)
    if len(query) and len(gallery):
        points = torch.cat([unit_rows(query), unit_rows(gallery)])
        dist = rerank_points(points, len(query), settings)
    else:
        dist = torch.zeros(len(query), len(gallery), device=query.device)
    return dist if isinstance(query_feats, Tensor) else dist.numpy()


@dataclass(frozen=True)
class RerankSettings:
    """Settings of :func:`k_reciprocal_rerank`, checked on construction."""

    k1: int = 20
    k2: int = 6
    lambda_value: float = 0.3
    variant: str = 'zhong'

    def __post_init__(self) -> None:
        for name in ('k1', 'k2'):
            check_count(getattr(self, name), name)
        weight = self.lambda_value
        if isinstance(weight, bool) or not isinstance(weight, Real) or not 0 <= weight <= 1:
            raise ValueError(f'lambda_value must be in [0, 1], got {weight!r}; it weighs the original distance')
        if self.variant not in VARIANTS:
            raise ValueError(f'variant must be one of {VARIANTS}, got {self.variant!r}')


def rerank_points(points: Tensor, num_queries: int, settings: RerankSettings) -> Tensor:
    """Re-ranked distances (Q, G) float32 of points (N, D) float64 as they are, the queries first."""
    scaled = settings.variant != 'faiss'
    power = 2 if settings.variant == 'zhong_pow4' else 1
    original = _OriginalDistances(points, num_queries)
    neighbours = nearest_neighbours(points, settings.k1 + scaled, backend='torch', read_tile=original.read_tile)
    encoding = reciprocal_encoding(points, neighbours, k_half=half_list(settings.k1), k2=settings.k2,
                                   scales=original.largest.double() if scaled else None, power=power)
    queries, gallery = encoding.rows(0, num_queries), encoding.rows(num_queries, len(points))
    overlap = jaccard_overlap(queries, gallery)  # (Q, G)
    dist, weight = original.sq_dists(), settings.lambda_value
    if scaled:
        dist.div_(original.largest[:num_queries, None]).pow_(power)
    else:
        dist.div_(2)
    dist.mul_(weight).add_(1 - weight)
    dist[overlap.row_of_entries(), overlap.indices.long()] -= (1 - weight) * overlap.values
    return dist.clamp_(min=0)


class _OriginalDistances:
    """What re-ranking needs of all squared distances, read while the neighbours are searched."""

    def __init__(self, points: Tensor, num_queries: int) -> None:
        self.points, self.num_queries = points, num_queries
        self.dist = points.new_empty(num_queries, len(points) - num_queries, dtype=torch.float32)  # (Q, G)
        self.farthest = points.new_zeros(len(points), dtype=torch.float32)  # (N,)

    def read_tile(self, start: int, tile: Tensor) -> None:
        stop = start + len(tile)
        for rows, largest in ((slice(start, stop), tile.amax(dim=1)), (slice(start, None), tile.amax(dim=0))):
            self.farthest[rows] = torch.maximum(self.farthest[rows], largest)
        if start < self.num_queries:
            stop = min(stop, self.num_queries)
            self.dist[start:stop] = tile[:stop - start, self.num_queries - start:]

    @property
    def largest(self) -> Tensor:
        """(N,) float32; 1 where all points coincide, so that their distances stay 0."""
        return torch.where(self.farthest > 0, self.farthest, 1)

    def sq_dists(self) -> Tensor:
        """(Q, G) float32, equal for equal gallery items: tiles round them differently."""
        gallery = DistinctRows.of(self.points[self.num_queries:].cpu().numpy())
        if gallery.inverse is not None:
            first = np.unique(gallery.inverse, return_index=True)[1][gallery.inverse]  # (G,)
            twins = np.flatnonzero(first != np.arange(len(first)))
            self.dist[:, torch.from_numpy(twins)] = self.dist[:, torch.from_numpy(first[twins])]
        return self.dist.clamp_(min=0)
