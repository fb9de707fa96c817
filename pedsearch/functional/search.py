"""The person search protocol: rank every detection of a query's gallery, then score the ranking.

Shape legend: N detections of all images, I images, g detections of one query's gallery, t target images of one query,
h hits (target images in which the right detection was found), q queries of one chunk, D embedding dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .average_precision import precision_at_hits
from .boxes import paired_iou, search_iou_threshold
from .cbgm import ContextMatching, match_contexts
from .detection_table import Detections, DetectionTable
from .gallery import Gallery, GalleryFinder, check_duplicates
from .refinement import Refinement
from .search_query import SearchQuery
from .settings import check_flag, check_topk
from .similarity import similarity_rows

_NUM_TOP = 10


def evaluate_search(detections: Detections,
                    queries: Sequence[SearchQuery],
                    *,
                    score_thr: float = 0.5,
                    topk: Sequence[int] = (1, 5, 10),
                    score_weighted: bool = False,
                    cbgm: Mapping | None = None,
                    rerank: Mapping | None = None,
                    query_expansion: Mapping | None = None,
                    duplicates: str = 'dedup') -> dict[str, Any]:
    """Mean average precision and top-k accuracy of person search.

    For each query all detections of its gallery are ranked by ``sim = embed_query . embed_detection``. In an image
    that shows the target, the best-ranked detection whose IoU with the target's box reaches
    ``min(0.5, w h / ((w + 10) (h + 10)))`` is a hit; every other detection is wrong. ``AP`` is the step-wise average
    precision of that ranking times ``n_tp / n_gt``, where ``n_gt`` counts the target images of the gallery (with or
    without detections) and ``n_tp`` the hits. ``top-k`` is 1 if a hit is among the k best.

    Nothing depends on the order of images or queries. Equal similarities form one step of the AP, and a hit stands
    behind the wrong detections it ties with.

    Args:
        detections (Mapping): img_id -> (bboxes (n, 4) xyxy, scores (n,) in [0, 1], embeds (n, D)).
        queries (Sequence[SearchQuery]): the people to search for.
        score_thr (float): rank detections with score >= this.
        topk (Sequence[int]): which top-k accuracies to report.
        score_weighted (bool): rank by ``score * sim`` (needed where the model does not scale its embeddings).
        cbgm (Mapping, optional): ``dict(k1, k2, aggregate='max')`` turns on context matching, see
            :class:`ContextMatching`.
        rerank (Mapping, optional): settings of :func:`k_reciprocal_rerank`; ranks by one minus its distances. All
            queries and all detections make the neighbourhoods, whatever the gallery of a query.
        query_expansion (Mapping, optional): settings of :func:`average_query_expansion`, applied to all queries and
            all detections before anything else.
        duplicates (str): an image that a gallery list names twice is searched once (``'dedup'``), counted and searched
            twice as in the released DICL code (``'dicl'``), or counted twice and searched once as in the released
            SeqNet code (``'seqnet'``).

    Returns:
        dict: ``mAP`` and ``top{k}`` in [0, 1], means over the queries that have a target in their gallery (NaN if none
        has); ``num_queries``, all of them; ``num_without_target``, those left out; ``per_query``, a list in the order
        of ``queries`` of dicts ``img_id, bbox, ap`` (None if left out), ``first_hit`` (rank of the best hit from 1, or
        None), ``n_gt, n_tp, num_detections`` and ``top``, the ten best detections as dicts ``img_id, bbox, score``
        (the similarity they were ranked by) and ``is_match``.

    Raises:
        TypeError, ValueError: naming the argument, image or query and what is wrong with it.

    Source: CUHK-SYSU (Xiao et al., CVPR 2017) and PRW (Zheng et al., CVPR 2017) protocols.
    Deviation: ties do not depend on order; duplicated names are searched once unless ``duplicates`` says otherwise;
    queries without a target are left out instead of dividing by zero.
    """
    queries = _check_queries(queries)
    topk = check_topk(topk)
    score_weighted = check_flag(score_weighted, 'score_weighted')
    matching = None if cbgm is None else ContextMatching.from_dict(cbgm)
    duplicates = check_duplicates(duplicates)
    refinement = Refinement.of(rerank, query_expansion)
    if matching is not None and refinement is not None:
        raise ValueError('cbgm goes with neither rerank nor query_expansion, got both; evaluate one after the other')
    target_ids = {img_id for query in queries for img_id in query.targets}
    table = DetectionTable.build(detections, score_thr, target_ids)
    _check_dims(table, queries)

    embeds = np.stack([query.embed for query in queries])  # (Q, D)
    feats = table.embeds.reshape(len(table.embeds), embeds.shape[1])  # (N, D), also where no image has a detection
    weights = table.scores.astype(feats.dtype) if score_weighted else np.ones(len(feats), feats.dtype)
    if refinement is None:
        feats = feats * weights[:, None]
        similarities = similarity_rows(embeds, feats)
    else:
        similarities = (sims * weights for sims in refinement.similarities(embeds, feats))
    galleries = GalleryFinder(table, duplicates)
    per_query = []
    for query, sims in zip(queries, similarities):  # (N,)
        gallery = galleries.of(query)
        _check_known(query, gallery, table)
        if matching is not None and len(gallery.dets):
            contexts = query.embed[None][:0] if query.context_embeds is None else query.context_embeds  # (c, D)
            sims = match_contexts(sims, gallery.dets, contexts, feats, table, matching)
        hits, n_gt = _find_hits(query, gallery, sims, table)
        per_query.append(_score_ranking(query, gallery.dets, hits, n_gt, sims, table))

    counted = [record for record in per_query if record['ap'] is not None]
    first_hits = np.array([record['first_hit'] or np.inf for record in counted])
    result = dict(mAP=_mean([record['ap'] for record in counted]))
    result.update({f'top{k}': _mean(first_hits <= k) for k in topk})
    return dict(**result, num_queries=len(queries), num_without_target=len(queries) - len(counted),
                per_query=per_query)


def _find_hits(query: SearchQuery, gallery: Gallery, sims: np.ndarray,
               table: DetectionTable) -> tuple[np.ndarray, int]:
    """The best-ranked right detection of each target image, (h,) int64, and n_gt."""
    rows = np.array([table.row_of[img_id] for img_id in query.targets], dtype=np.int64)  # (t,)
    in_gallery = gallery.counted[rows] > 0
    n_gt = int(gallery.counted[rows].sum())
    if not in_gallery.any():
        return np.zeros(0, np.int64), n_gt
    rows = rows[in_gallery]
    bboxes = query.target_bboxes[in_gallery]  # (t, 4)
    dets, owners = table.detections_of(rows)
    ious = paired_iou(table.bboxes[dets], bboxes[owners])
    right = ious >= search_iou_threshold(bboxes)[owners]
    dets, owners, ious = dets[right], owners[right], ious[right]
    order = np.lexsort((-ious, -sims[dets], owners))
    hits = dets[order][np.diff(owners[order], prepend=-1) > 0]  # the first of each owner
    return np.repeat(hits, gallery.ranked[table.images[hits]]), n_gt


def _score_ranking(query: SearchQuery, dets: np.ndarray, hits: np.ndarray, n_gt: int, sims: np.ndarray,
                   table: DetectionTable) -> dict[str, Any]:
    """AP, rank of the best hit and the top of the list for one query."""
    gallery_sims = sims[dets]  # (g,)
    rising = np.sort(gallery_sims)
    precisions, ranks = precision_at_hits(sims[hits], rising)  # (h,), (h,)
    top = np.flatnonzero(gallery_sims >= rising[-_NUM_TOP:].min(initial=np.inf))
    return dict(
        img_id=query.img_id,
        bbox=query.bbox.tolist(),
        ap=float(precisions.sum() / n_gt) if n_gt else None,
        first_hit=int(ranks.min()) if len(hits) else None,
        n_gt=n_gt,
        n_tp=len(hits),
        num_detections=len(dets),
        top=_describe_top(dets[top], gallery_sims[top], hits, table))


def _describe_top(dets: np.ndarray, sims: np.ndarray, hits: np.ndarray, table: DetectionTable) -> list[dict[str, Any]]:
    """The best of ``dets`` in falling order; among equals wrong ones come first, then table order."""
    is_match = (dets[:, None] == hits).any(axis=1)  # np.isin takes ten times as long for so few
    order = np.lexsort((is_match, -sims))[:_NUM_TOP]
    return [
        dict(img_id=table.img_ids[image], bbox=bbox, score=score, is_match=match) for image, bbox, score, match in zip(
            table.images[dets[order]].tolist(), table.bboxes[dets[order]].tolist(), sims[order].tolist(),
            is_match[order].tolist())
    ]


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float('nan')


def _check_queries(queries: Any) -> list[SearchQuery]:
    if isinstance(queries, SearchQuery) or not hasattr(queries, '__iter__'):
        raise TypeError(f'queries must be a sequence of SearchQuery, got {type(queries).__name__}')
    queries = list(queries)
    for i, query in enumerate(queries):
        if not isinstance(query, SearchQuery):
            raise TypeError(f'queries[{i}] must be a SearchQuery, got {type(query).__name__}')
    if not queries:
        raise ValueError('queries must hold at least one SearchQuery, got none')
    return queries


def _check_known(query: SearchQuery, gallery: Gallery, table: DetectionTable) -> None:
    """A gallery that lists images lists at least one that was run; ids of another kind would equal none."""
    if query.gallery is not None and len(query.gallery) and not gallery.counted.any():
        raise ValueError(f'query in image {query.img_id!r}: gallery must name images that are in the detections, got '
                         f'none among {len(query.gallery)} (first: {query.gallery[0]!r}, in the detections '
                         f'{table.img_ids[0]!r}); use one kind of id')


def _check_dims(table: DetectionTable, queries: list[SearchQuery]) -> None:
    """All embeddings must have one length, that of the detections where there are any."""
    dims = table.embeds.shape[1] if len(table.embeds) else len(queries[0].embed)
    for query in queries:
        if len(query.embed) != dims:
            raise ValueError(f'query in image {query.img_id!r}: embed must have shape ({dims},) like the other '
                             f'embeddings, got ({len(query.embed)},); take both from the same model')
