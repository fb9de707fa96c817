"""Ranked galleries of a re-identification test, from the records of its metric."""

import os.path as osp
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pedsearch.structures import UNLABELED

from .best_and_worst import draw_best_and_worst
from .drawing import MATCH, OTHER
from .sheet import Answer, RankedQuery, View


def draw_reid_rankings(dataset: Any,
                       per_query: Sequence[Mapping],
                       num_best: int = 3,
                       num_worst: int = 3,
                       topk: int = 8,
                       cross_camera: bool = True) -> np.ndarray:
    """Draw the queries with the highest and the lowest average precision, with distances and cameras.

    Args:
        dataset (ReIDDataset): the test split that was ranked; gives images and targets.
        per_query (Sequence[Mapping]): one evaluation of a dump of ``ReIDMetric``.
        num_best (int): rows from the top, at most one per person; among equals those with more targets.
        num_worst (int): rows from the bottom, the same way; a query is drawn once.
        topk (int): answers per row, at most 10 are on record.
        cross_camera (bool): as the metric's: images of the query's person from its own camera are no targets.

    Returns:
        numpy.ndarray: (H, W, 3) uint8 RGB.

    Raises:
        ValueError: no query has an average precision, or the records are not of this dataset.
    """
    reader = _RowReader(dataset, cross_camera)
    return draw_best_and_worst(
        aps=[record['ap'] for record in per_query],
        pids=[record['pid'] for record in per_query],
        num_targets=[len(reader.targets_of(record)) for record in per_query],
        read=lambda place: reader.read(per_query[place], topk),
        num_best=num_best, num_worst=num_worst, topk=topk, measure='distance')


class _RowReader:
    """Looks up images and targets of records in a dataset."""

    def __init__(self, dataset: Any, cross_camera: bool) -> None:
        self.infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        self.cross_camera = cross_camera
        self.gallery = defaultdict(list)
        for index, info in enumerate(self.infos):
            if not info['is_query'] and info['pid'] != UNLABELED:
                self.gallery[info['pid']].append(index)

    def targets_of(self, query: Mapping) -> list[int]:
        """Places of the images that a query should find."""
        return [index for index in self.gallery.get(query['pid'], ())
                if not self.cross_camera or self.infos[index]['camid'] != query['camid']]

    def read(self, query: Mapping, topk: int) -> RankedQuery:
        top = query['top'][:topk]
        targets, found = self.targets_of(query), {hit['sample_idx'] for hit in top if hit['is_match']}
        # Where all answers are right, the other targets stand behind them, not behind a wrong one.
        missed = [index for index in targets if index not in found] if len(found) < len(top) else []
        answers = [
            Answer(self._path_of(hit), None, hit['dist'], MATCH if hit['is_match'] else OTHER, note=_camera(hit))
            for hit in top
        ]
        lines = (f'AP {query["ap"]:.2f}', f'{len(found)} of {len(targets)} matches in top {len(top)}',
                 f'first match at rank {query["first_rank"]}')
        return RankedQuery(
            View(self._path_of(query), note=_camera(query)), answers,
            [View(self.infos[index]['img_path'], note=_camera(self.infos[index])) for index in missed], lines)

    def _path_of(self, record: Mapping) -> str:
        """The image as the dataset has it now; its folder may have moved since."""
        index, name = record['sample_idx'], osp.basename(record['img_path'] or '')
        if not 0 <= index < len(self.infos) or osp.basename(self.infos[index]['img_path']) != name:
            raise ValueError(f'image {index} must be {name} as when it was ranked, but it is not in this dataset of '
                             f'{len(self.infos)} images; draw with the config that the results were made with')
        return self.infos[index]['img_path']


def _camera(record: Mapping) -> str:
    return f'camera {record["camid"]}' if record['camid'] >= 0 else ''
