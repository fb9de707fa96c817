"""Average query expansion.

Shape legend: Q queries, G gallery items, N = Q + G, D dimensions, k neighbours, n points of one block.
"""

from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from .neighbours import nearest_neighbours, paired_feats, unit_rows
from .settings import check_count

_VALUES_PER_BLOCK = 2**22  # 32 MiB of float64


@dataclass(frozen=True)
class ExpansionSettings:
    """Settings of :func:`average_query_expansion`, checked on construction."""

    k: int = 5
    alpha: float = 3.0

    def __post_init__(self) -> None:
        check_count(self.k, 'k')
        if isinstance(self.alpha, bool) or not isinstance(self.alpha, Real) or not 0 <= self.alpha < float('inf'):
            raise ValueError(f'alpha must be a number >= 0, got {self.alpha!r}')


def average_query_expansion(query_feats: Any, gallery_feats: Any, *, k: int = 5, alpha: float = 3.0) -> tuple[Any, Any]:
    """Replace every feature by a weighted mean of its nearest neighbours among queries and gallery.

    ``x'_i = mean over the k nearest j of max(0, cos(i, j))^alpha x_j``, on unit vectors, i itself among its neighbours.
    Queries and gallery together make the neighbourhoods, so that results depend on which other queries are asked. The
    means are not normalised; compare them by cosine.

    Args:
        query_feats (array-like | Tensor): (Q, D), any dtype and device; L2-normalised inside.
        gallery_feats (array-like | Tensor): (G, D).
        k (int): neighbours, the feature itself among them.
        alpha (float): at least 0; 0 gives the plain mean.

    Returns:
        tuple: (Q, D) and (G, D) float32, NumPy arrays, or tensors on the same device if ``query_feats`` is one.

    Raises:
        ValueError, TypeError: on settings out of range and on features that are not (N, D) finite numbers of one D.

    Source: Radenovic et al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2018 (alpha query
    expansion), applied to the gallery, too, as is usual for re-identification.
    Deviation: features are normalised first, so that long ones do not dominate; a negative cosine weighs nothing.

    Example:
        >>> query, gallery = average_query_expansion([[1, 0]], [[0.8, 0.6], [0, 1], [0.6, 0.8]], k=2)
        >>> print(query.round(4))
        [[0.7048 0.1536]]
    """
    ExpansionSettings(k, alpha)
    query, gallery = paired_feats(query_feats, gallery_feats)
    points = torch.cat([unit_rows(query), unit_rows(gallery)])  # (N, D)
    expanded = torch.empty(points.shape, dtype=torch.float32, device=points.device)
    nearest = nearest_neighbours(points, int(k)).indices.long()  # (N, k)
    step = max(1, _VALUES_PER_BLOCK // max(1, nearest.shape[1] * points.shape[1]))
    for rows in torch.arange(len(points), device=points.device).split(step):
        friends = points[nearest[rows]]  # (n, k, D)
        cosines = (friends @ points[rows, :, None]).squeeze(2)  # (n, k, D) @ (n, D, 1) -> (n, k)
        weights = cosines.clamp(min=0)**alpha
        expanded[rows] = (weights[:, None] @ friends).squeeze(1).div(friends.shape[1]).float()
    parts = expanded[:len(query)], expanded[len(query):]
    return parts if isinstance(query_feats, Tensor) else tuple(part.numpy() for part in parts)
