"""How well sentences find people in whole scenes.

Shape legend: T sentences, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pedsearch.functional import SearchQuery, evaluate_search


def evaluate_sentence_search(detections: Mapping[int, tuple], described: Sequence[Mapping], embeds: np.ndarray,
                             topk: Sequence[int] = (1, 5, 10), score_thr: float = 0.5) -> dict[str, Any]:
    """Person search with sentences as queries.

    Every sentence ranks all detections of all images. In each image that shows the person it was written of, the
    detection on that person is right; other people are wrong, also where the sentence fits them.

    Args:
        detections (Mapping): img_id -> (bboxes (n, 4) xyxy, scores (n,), embeds (n, D)).
        described (Sequence[Mapping]): of :func:`pedsearch.datasets.described_people`, T of them.
        embeds (numpy.ndarray): (T, D) their embeddings.
        topk (Sequence[int]): which top-k accuracies to report.
        score_thr (float): rank detections with score >= this.

    Returns:
        dict: as of :func:`pedsearch.functional.evaluate_search`.

    Raises:
        ValueError: there is not an embedding for each sentence.
    """
    if len(embeds) != len(described):
        raise ValueError(f'there must be an embedding for each of {len(described)} sentences, got {len(embeds)}')
    everywhere = list(detections)
    queries = [SearchQuery(one['img_id'], one['bbox'], embed, one['targets'], everywhere)
               for one, embed in zip(described, embeds)]
    return evaluate_search(detections, queries, score_thr=score_thr, topk=topk)
