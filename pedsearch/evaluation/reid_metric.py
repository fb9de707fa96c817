"""Re-identification on the mmengine Runner: gather, rank, log, dump.

Shape legend: Q queries, G gallery images, D embedding dimensions.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log

from pedsearch.functional import QueryRanks, average_query_expansion, k_reciprocal_rerank, rank_queries
from pedsearch.functional.arrays import as_array
from pedsearch.functional.ranking import check_average_precision
from pedsearch.functional.refinement import Refinement
from pedsearch.functional.settings import check_flag, check_topk
from pedsearch.registry import METRICS

from .json_dump import check_dump, write_json
from .records import RecordMetric

_NUM_BEST = 10


@METRICS.register_module()
class ReIDMetric(RecordMetric):
    """Ranking accuracy (mAP, mINP, CMC) of a re-identification model.

    The test set holds queries and gallery, told apart by ``is_query``. An image that the sampler repeats to fill a
    batch counts once, so the result does not depend on the number of processes or the order of the images.

    Protocol: :func:`pedsearch.functional.rank_queries`. Gallery images without identity leave the gallery before
    anything is computed.

    Keys: ``mAP``, ``mINP``, ``rank{k}``; with ``rerank`` the same with ``_rerank``, with ``query_expansion`` the same
    with ``_aqe``. All in [0, 1].

    Args:
        topk (Sequence[int]): which CMC accuracies to report.
        ap (str): 'step' or 'trapezoid', see :func:`pedsearch.functional.rank_queries`.
        cross_camera (bool): images of the query's identity from the query's camera do not count. False: cameras are
            ignored.
        rerank (dict, optional): keyword arguments of :func:`pedsearch.functional.k_reciprocal_rerank`; also rank by
            re-ranked distances.
        query_expansion (dict, optional): keyword arguments of :func:`pedsearch.functional.average_query_expansion`;
            also rank by expanded features.
        dump (str, optional): a ``.json`` file that receives scores and best gallery images of every query.
        collect_device (str): 'cpu' or 'gpu', where results are gathered.
        prefix (str, optional): prefix of the keys instead of 'reid'.
        collect_dir (str, optional): folder for gathering on 'cpu'.

    Raises:
        ValueError, TypeError: on settings out of range, a sample without features, identity or camera, a test set
            without queries or without gallery, or if no query has a true match.
    """

    default_prefix = 'reid'

    def __init__(self,
                 topk: Sequence[int] = (1, 5, 10),
                 ap: str = 'step',
                 cross_camera: bool = True,
                 rerank: Mapping | None = None,
                 query_expansion: Mapping | None = None,
                 dump: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.topk = check_topk(topk)
        self.ap = check_average_precision(ap)
        self.cross_camera = check_flag(cross_camera, 'cross_camera')
        Refinement.of(rerank, query_expansion)  # settings that it refuses fail now and not after the test run
        self.rerank = rerank
        self.query_expansion = query_expansion
        self.dump = check_dump(dump)

    def record(self, sample: Mapping) -> dict[str, Any]:
        """Features, identity and camera of one image."""
        return _record(sample, self.cross_camera)

    def compute(self, records: list[dict]) -> dict[str, float]:
        """Rank the gallery for every query of the gathered records."""
        queries = [record for record in records if record['is_query']]
        gallery = [record for record in records if not record['is_query'] and record['pid'] >= 0]
        if not queries or not gallery:
            raise ValueError(f'expected queries and gallery images with identity, got {len(queries)} and '
                             f'{len(gallery)}; check is_query and pid of the test dataset')
        evaluations = {}
        for suffix, ranking in self._rankings(_stack_feats(queries), _stack_feats(gallery)).items():
            evaluations[suffix] = self._rank(queries, gallery, **ranking)
        metrics = {f'{key}{suffix}': value
                   for suffix, ranks in evaluations.items() for key, value in ranks.metrics(self.topk).items()}
        self._log(evaluations)
        if self.dump is not None:
            self._write_dump(queries, gallery, evaluations, metrics)
        return metrics

    def _rankings(self, query_feats: np.ndarray, gallery_feats: np.ndarray) -> dict[str, dict[str, Any]]:
        """Key suffix -> what :func:`rank_queries` ranks by, from features (Q, D) and (G, D)."""
        rankings = {'': dict(query_feats=query_feats, gallery_feats=gallery_feats)}
        if self.rerank is not None:
            dist = k_reciprocal_rerank(query_feats, gallery_feats, **self.rerank)
            rankings['_rerank'] = dict(query_feats=None, gallery_feats=None, dist=dist)
        if self.query_expansion is not None:
            expanded = average_query_expansion(query_feats, gallery_feats, **self.query_expansion)
            rankings['_aqe'] = dict(zip(('query_feats', 'gallery_feats'), expanded))
        return rankings

    def _rank(self, queries: list[dict], gallery: list[dict], **ranking: Any) -> QueryRanks:
        labels = dict(query_pids=_column(queries, 'pid'), gallery_pids=_column(gallery, 'pid'))
        if self.cross_camera:
            labels.update(query_camids=_column(queries, 'camid'), gallery_camids=_column(gallery, 'camid'))
        return rank_queries(**ranking, **labels, ap=self.ap, num_best=_NUM_BEST if self.dump is not None else 0)

    def _log(self, evaluations: Mapping[str, QueryRanks]) -> None:
        """A table in percent, one line per ranking, and a warning about queries that could not be scored."""
        names = {suffix: suffix.lstrip('_') or 'plain' for suffix in evaluations}
        width = max(len('ranking'), *map(len, names.values()))
        valid = evaluations[''].valid
        lines = []
        for suffix, ranks in evaluations.items():
            metrics = ranks.metrics(self.topk)
            if not lines:
                lines.append(f'{"ranking":<{width}}  queries' + ''.join(f'{key:>8}' for key in metrics))
            lines.append(f'{names[suffix]:<{width}}  {valid.sum():>7}' +
                         ''.join(f'{100 * value:>8.2f}' for value in metrics.values()))
        print_log('re-identification, in percent\n' + '\n'.join(lines), logger='current')
        if not valid.all():
            print_log(f'{(~valid).sum()} of {len(valid)} queries have no true match in the gallery and were left out',
                      logger='current', level=logging.WARNING)

    def _write_dump(self, queries: list[dict], gallery: list[dict], evaluations: Mapping[str, QueryRanks],
                    metrics: Mapping[str, float]) -> None:
        """Write scores and best gallery images of every query."""
        write_json(self.dump, dict(
            format='pedsearch-reid-dump',
            version=1,
            settings=dict(topk=self.topk, ap=self.ap, cross_camera=self.cross_camera, rerank=self.rerank,
                          query_expansion=self.query_expansion),
            metrics=dict(metrics),
            evaluations={suffix.lstrip('_') or 'primary': _describe(queries, gallery, ranks)
                         for suffix, ranks in evaluations.items()}))


def _record(sample: Mapping, cross_camera: bool) -> dict[str, Any]:
    """What one image contributes."""
    for field in ('sample_idx', 'feat', 'pid', 'is_query'):
        if sample.get(field) is None:
            raise ValueError(f'a data sample must have {field}, got {sorted(sample)}; check the test pipeline and '
                             "the model's predict()")
    record = dict(
        sample_idx=int(sample['sample_idx']),
        img_path=sample.get('img_path'),
        pid=int(sample['pid']),
        camid=int(sample.get('camid', -1)),
        is_query=bool(sample['is_query']),
        feat=as_array(sample['feat'], 'feat').astype(np.float32))
    name = f'image {record["sample_idx"]} ({record["img_path"]})'
    if record['feat'].ndim != 1:
        raise ValueError(f'feat must have shape (D,), got {record["feat"].shape} for {name}; give each sample its own')
    if not np.isfinite(record['feat']).all():
        raise ValueError(f'feat must be finite, got NaN or infinity for {name}; look for an overflow in the model')
    if cross_camera and record['camid'] < 0:
        raise ValueError(f'cross_camera needs the camera of every image, got none for {name}; annotate cameras or set '
                         'cross_camera=False')
    return record


def _column(records: list[dict], key: str) -> np.ndarray:
    return np.array([record[key] for record in records])


def _stack_feats(records: list[dict]) -> np.ndarray:
    lengths = {len(record['feat']) for record in records}
    if len(lengths) > 1:
        raise ValueError(f'feat must have one length for all images, got {sorted(lengths)}')
    return np.stack([record['feat'] for record in records])


def _describe(queries: list[dict], gallery: list[dict], ranks: QueryRanks) -> list[dict[str, Any]]:
    """One entry per query, scores None where it has no true match."""
    described = []
    for row, query in enumerate(queries):
        scores = dict(ap=float(ranks.ap[row]), inp=float(ranks.inp[row]), first_rank=int(ranks.first_rank[row]))
        top = [{**_name(gallery[item]), 'dist': float(dist), 'is_match': gallery[item]['pid'] == query['pid']}
               for item, dist in zip(ranks.best[row], ranks.best_dist[row]) if item >= 0]
        described.append({**_name(query), **(scores if ranks.valid[row] else dict.fromkeys(scores)), 'top': top})
    return described


def _name(record: Mapping) -> dict[str, Any]:
    return {key: record[key] for key in ('sample_idx', 'img_path', 'pid', 'camid')}
