"""Similarities of person search after query expansion and re-ranking.

Shape legend: Q queries, N detections, D embedding dimensions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .neighbours import unit_rows
from .query_expansion import ExpansionSettings, average_query_expansion
from .reranking import RerankSettings, k_reciprocal_rerank
from .similarity import similarity_rows


@dataclass(frozen=True)
class Refinement:
    """Query expansion, re-ranking, or one after the other."""

    expansion: ExpansionSettings | None
    reranking: RerankSettings | None

    @classmethod
    def of(cls, rerank: Any, query_expansion: Any) -> 'Refinement | None':
        """Checked settings, or None where both are None.

        Raises:
            TypeError, ValueError: on anything but a dict of known settings in their range.
        """
        if rerank is None and query_expansion is None:
            return None
        return cls(_checked(query_expansion, ExpansionSettings, 'query_expansion'),
                   _checked(rerank, RerankSettings, 'rerank'))

    def similarities(self, queries: np.ndarray, detections: np.ndarray) -> Iterable[np.ndarray]:
        """Similarities (N,) of each of ``queries`` (Q, D) to all ``detections`` (N, D)."""
        if self.expansion is not None:
            queries, detections = (_unit(feats) for feats in average_query_expansion(queries, detections,
                                                                                     **asdict(self.expansion)))
        if self.reranking is None:
            return similarity_rows(queries, detections)
        return 1 - k_reciprocal_rerank(queries, detections, **asdict(self.reranking))  # (Q, N)


def _unit(feats: np.ndarray) -> np.ndarray:
    return unit_rows(feats).float().numpy()


def _checked(settings: Any, kind: type, name: str) -> Any:
    if settings is None:
        return None
    fields = list(kind.__dataclass_fields__)
    if not isinstance(settings, Mapping):
        raise TypeError(f'{name} must be a dict with some of {fields}, or None, got {type(settings).__name__}')
    unknown = sorted(set(settings) - set(fields))
    if unknown:
        raise ValueError(f'{name} must be a dict with some of {fields}, got {unknown}')
    try:
        return kind(**settings)
    except ValueError as error:
        raise ValueError(f'{name}: {error}') from None
