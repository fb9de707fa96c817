"""Context bipartite graph matching (CBGM): the people around a query vouch for its match.

Shape legend: c companions of the query, b = min(1 + c, k2) people to match (the query comes first), n detections of one
image, N of all images, g detections of one query's gallery, D embedding dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from .detection_table import DetectionTable

AGGREGATES = ('max', 'sum', 'mean', 'half')


@dataclass(frozen=True)
class ContextMatching:
    """Settings of context bipartite graph matching.

    Attributes:
        k1 (int): the images of this many best gallery detections are matched. The source uses 10 (CUHK-SYSU), 30 (PRW).
        k2 (int): boxes on the query side, the query included. The source uses 3 (CUHK-SYSU), 4 (PRW).
        aggregate (str): what the query's match receives from the weights of the matched pairs: ``'max'`` the largest,
            ``'sum'``, ``'mean'``, or ``'half'`` the average of the largest and its own similarity.
    """

    k1: int
    k2: int
    aggregate: str = 'max'

    def __post_init__(self) -> None:
        for name in ('k1', 'k2'):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f'cbgm {name} must be an int >= 1, got {value!r}')
        if self.aggregate not in AGGREGATES:
            raise ValueError(f'cbgm aggregate must be one of {AGGREGATES}, got {self.aggregate!r}')

    @classmethod
    def from_dict(cls, settings: Any) -> 'ContextMatching':
        """Build from ``dict(k1=…, k2=…, aggregate='max')``, rejecting unknown and missing keys."""
        if not isinstance(settings, Mapping):
            raise TypeError(f'cbgm must be a dict(k1, k2, aggregate) or None, got {type(settings).__name__}')
        if not {'k1', 'k2'} <= set(settings) <= {'k1', 'k2', 'aggregate'}:
            raise ValueError(f'cbgm must have the keys k1, k2 and optionally aggregate, '
                             f'got {sorted(settings, key=str)}')
        return cls(**settings)


def match_contexts(sims: np.ndarray, gallery: np.ndarray, contexts: np.ndarray, feats: np.ndarray,
                   table: DetectionTable, settings: ContextMatching) -> np.ndarray:
    """Re-score the query's match in the images of the best gallery detections.

    In each of these images the people of the query side are assigned to the detections so that the sum of
    similarities is largest. If the query is assigned to detection j, ``sim_j`` becomes the aggregate of the matched
    similarities; every other detection keeps its own.

    Args:
        sims (numpy.ndarray): (N,) similarities of the query to all detections.
        gallery (numpy.ndarray): (g,) int64 detections of the query's gallery.
        contexts (numpy.ndarray): (c, D) the query's companions by falling confidence; the first ``k2 - 1`` are used.
        feats (numpy.ndarray): (N, D) features of the detections (weighted by score if the ranking is).
        table (DetectionTable): which detection lies in which image. Equal similarities at the border of the best
            ``k1`` are taken in the order of the table.
        settings (ContextMatching): k1, k2, aggregate.

    Returns:
        numpy.ndarray: (N,) a re-scored copy of ``sims``.

    Source: SeqNet (Li and Miao, AAAI 2021), section "Context Bipartite Graph Matching".
    Deviation: none from the released code, which takes the largest matched weight; the other aggregates are options.
    """
    best = gallery[_largest(sims[gallery], settings.k1)]
    dets, owners = table.detections_of(np.unique(table.images[best]))  # (k,), (k,)
    weights = np.vstack([sims[dets], contexts[:settings.k2 - 1] @ feats[dets].T])  # (b, k)
    matched_sims = sims.copy()
    first_of_image = np.flatnonzero(np.diff(owners, prepend=-1))
    for start, stop in zip(first_of_image, [*first_of_image[1:], len(dets)]):
        image_weights = weights[:, start:stop]  # (b, n)
        people, partners = linear_sum_assignment(image_weights, maximize=True)
        if people[0] == 0:  # rows come sorted; with fewer detections than people the query may go without
            match = dets[start + partners[0]]
            matched_sims[match] = _aggregate(image_weights[people, partners], sims[match], settings.aggregate)
    return matched_sims


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Places of the ``k`` largest values, falling, equal ones by place."""
    k = min(k, len(values))
    candidates = np.flatnonzero(values >= np.partition(values, -k)[-k])  # sorting all values would dominate the run
    return candidates[np.argsort(-values[candidates], kind='stable')][:k]


def _aggregate(matched_weights: np.ndarray, own_sim: float, aggregate: str) -> float:
    if aggregate == 'sum':
        return matched_weights.sum()
    if aggregate == 'mean':
        return matched_weights.mean()
    largest = matched_weights.max()
    return largest if aggregate == 'max' else (largest + own_sim) / 2
