"""Ranked galleries of a person search test, from the records of its metric."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .best_and_worst import draw_best_and_worst
from .drawing import MATCH, OTHER
from .sheet import Answer, RankedQuery, View


def draw_ranked_galleries(dataset: Any,
                          per_query: Sequence[Mapping],
                          num_best: int = 3,
                          num_worst: int = 3,
                          topk: int = 8,
                          scenes: bool = False,
                          protocol: str | None = None) -> np.ndarray:
    """Draw the queries with the highest and the lowest average precision.

    Args:
        dataset (SearchDataset): the test split that was searched; gives image paths and targets.
        per_query (Sequence[Mapping]): ``per_query`` of :func:`~pedsearch.functional.evaluate_search`.
        num_best (int): rows from the top, at most one per person; among equals those with more targets.
        num_worst (int): rows from the bottom, the same way; a query is drawn once.
        topk (int): answers per row, at most 10 are on record; whole scenes: at most 3.
        scenes (bool): whole scenes instead of crops.
        protocol (str, optional): name of the search protocol; None: the primary one.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no query has an average precision, or the records are not of this dataset.
    """
    reader = _RowReader(dataset, protocol)
    return draw_best_and_worst(
        aps=[record['ap'] for record in per_query],
        pids=[reader.query_of(record)['pid'] for record in per_query],
        num_targets=[record['n_gt'] for record in per_query],
        read=lambda place: reader.read(per_query[place], topk),
        num_best=num_best, num_worst=num_worst, topk=topk, scenes=scenes)


class _RowReader:
    """Looks up images and targets of records in a dataset."""

    def __init__(self, dataset: Any, protocol: str | None) -> None:
        dataset.full_init()
        protocols = dataset.metainfo['protocols']
        if protocol is not None and protocol not in protocols:
            raise ValueError(f'protocol must be one of {sorted(protocols)}, got {protocol!r}')
        queries = protocols[protocol or next(iter(protocols))]
        self.queries = {_query_key(query): query for query in queries}
        infos = (dataset.get_data_info(index) for index in range(len(dataset)))
        self.paths = {info['img_id']: info['img_path'] for info in infos}

    def query_of(self, record: Mapping) -> Mapping:
        key = _query_key(record)
        if key not in self.queries:
            raise ValueError(f'the query {list(key[1])} in image {key[0]} is not in the protocol of this dataset; '
                             'draw with the config that the results were made with')
        return self.queries[key]

    def read(self, record: Mapping, topk: int) -> RankedQuery:
        top = record['top'][:topk]
        found = {hit['img_id'] for hit in top if hit['is_match']}
        missed = {img_id: np.asarray(bboxes).tolist() for img_id, bboxes in self.query_of(record)['targets'].items()
                  if img_id not in found}
        if len(found) == len(top):  # all answers are right, so the others stand behind them, not behind a wrong one
            missed = {}
        answers = [
            Answer(self.paths[hit['img_id']], hit['bbox'], hit['score'], MATCH if hit['is_match'] else OTHER,
                   missed.get(hit['img_id'], ())) for hit in top
        ]
        first = record['first_hit']
        lines = (f'AP {record["ap"]:.2f}', f'{record["n_tp"]} of {record["n_gt"]} targets detected',
                 f'first match at rank {first}' if first else 'no match in the ranking')
        return RankedQuery(View(self.paths[record['img_id']], record['bbox']), answers,
                           [View(self.paths[img_id], bboxes[0]) for img_id, bboxes in missed.items()], lines)


def _query_key(query: Mapping) -> tuple[int, tuple[float, ...]]:
    return query['img_id'], tuple(float(value) for value in query['bbox'])
