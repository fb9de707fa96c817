"""Person search on the mmengine Runner: gather, evaluate every protocol of the dataset, log, dump."""

import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from pedsearch.functional import ContextMatching, evaluate_detection, evaluate_search
from pedsearch.functional.arrays import as_array
from pedsearch.functional.gallery import check_duplicates
from pedsearch.functional.refinement import Refinement
from pedsearch.functional.settings import check_flag, check_iou_thr, check_threshold, check_topk
from pedsearch.registry import METRICS

from .json_dump import check_dump, write_json
from .search_protocol import QueryFeatures, build_queries, other_camera_queries, random_embeds


@METRICS.register_module()
class PersonSearchMetric(BaseMetric):
    """Search accuracy (mAP, top-k) and detection quality of a person search model.

    Every image of the test set is run once; it yields its detections and the features of the query boxes in it. An
    image that the sampler repeats to fill a batch counts once, so the result does not depend on the number of
    processes or the order of the images.

    Protocol: all protocols in ``dataset_meta['protocols']``; see :func:`pedsearch.functional.evaluate_search` and
    :func:`pedsearch.functional.evaluate_detection`.

    Keys: of the first protocol ``mAP`` and ``top{k}``; of any other ``mAP_{name}``, ``top{k}_{name}``; with
    ``cross_camera`` the same with ``_cross_camera``, with ``rerank`` ``_rerank``, with ``query_expansion`` ``_aqe``,
    with ``random_control`` ``mAP_control``, ``top{k}_control``;
    ``det_recall``, ``det_AP``, ``det_recall_labelled``. All in [0, 1].

    Args:
        score_thr (float): detections with score >= this are searched.
        topk (Sequence[int]): which top-k accuracies to report.
        score_weighted (bool): rank by ``score * similarity``.
        cbgm (dict, optional): ``dict(k1, k2, aggregate='max')`` turns on context matching.
        rerank (dict, optional): settings of :func:`pedsearch.functional.k_reciprocal_rerank`, ``dict()`` for its own:
            also evaluate with re-ranking, without context matching.
        query_expansion (dict, optional): settings of :func:`pedsearch.functional.average_query_expansion`, likewise.
        duplicates (str): what to do with an image that a gallery names twice: 'dedup', 'dicl' or 'seqnet'.
        det_score_thr (float): score threshold of the detection metrics.
        iou_thr (float): overlap threshold of the detection metrics, in (0, 1].
        cross_camera (bool): also evaluate with galleries of the other cameras only. A dataset that has a protocol of
            this name, such as PRW, needs no second one.
        random_control (bool): also evaluate the same detections with random embeddings, without context matching.
        control_seed (int): seed of those embeddings.
        dump (str, optional): a ``.json`` file that receives the ranked list of every query.
        collect_device (str): 'cpu' or 'gpu', where results are gathered.
        prefix (str, optional): prefix of the keys instead of 'search'.
        collect_dir (str, optional): folder for gathering on 'cpu'.

    Raises:
        ValueError, TypeError: on settings out of range, a dataset without protocols, a sample without cameras when
            ``cross_camera`` needs them, or a query whose image was not run.
    """

    default_prefix = 'search'

    def __init__(self,
                 score_thr: float = 0.5,
                 topk: Sequence[int] = (1, 5, 10),
                 score_weighted: bool = False,
                 cbgm: Mapping | None = None,
                 rerank: Mapping | None = None,
                 query_expansion: Mapping | None = None,
                 duplicates: str = 'dedup',
                 det_score_thr: float = 0.5,
                 iou_thr: float = 0.5,
                 cross_camera: bool = False,
                 random_control: bool = False,
                 control_seed: int = 0,
                 dump: str | None = None,
                 collect_device: str = 'cpu',
                 prefix: str | None = None,
                 collect_dir: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        if cbgm is not None:
            ContextMatching.from_dict(cbgm)
        Refinement.of(rerank, query_expansion)
        if isinstance(control_seed, bool) or not isinstance(control_seed, int) or control_seed < 0:
            raise ValueError(f'control_seed must be an int >= 0, got {control_seed!r}')
        self.search_settings = dict(
            score_thr=check_threshold(score_thr, 'score_thr'),
            topk=check_topk(topk),
            score_weighted=check_flag(score_weighted, 'score_weighted'),
            cbgm=cbgm,
            duplicates=check_duplicates(duplicates))
        self.refinements = dict(_rerank=dict(rerank=rerank), _aqe=dict(query_expansion=query_expansion))
        self.detection_settings = dict(
            score_thr=check_threshold(det_score_thr, 'det_score_thr'), iou_thr=check_iou_thr(iou_thr))
        self.cross_camera = check_flag(cross_camera, 'cross_camera')
        self.random_control = check_flag(random_control, 'random_control')
        self.control_seed = control_seed
        self.dump = check_dump(dump)

    def process(self, data_batch: Any, data_samples: Sequence[Mapping]) -> None:
        """Keep what the evaluation needs of each image, as float32 NumPy arrays."""
        self.results.extend(_record(sample) for sample in data_samples)
        if self.cross_camera:
            unknown = next((record for record in self.results[-len(data_samples):] if record['camid'] < 0), None)
            if unknown is not None:
                raise ValueError(f'cross_camera needs the camera of every image, got none for image '
                                 f'{unknown["img_id"]} ({unknown["img_path"]}); annotate cameras or set '
                                 'cross_camera=False')

    def evaluate(self, size: int) -> dict:
        """Gather and evaluate; repeated images are told by their id, so none is cut off by position."""
        return super().evaluate(size=sys.maxsize)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Evaluate all protocols on the gathered records of the images."""
        if not results:
            raise ValueError('expected the results of at least one test image, got none; check the test dataloader')
        images = {record['img_id']: record for record in results}
        images = {img_id: images[img_id] for img_id in sorted(images)}
        evaluations = self._evaluate_searches(images)
        detection = evaluate_detection(
            _detections(images), {img_id: record['gt_bboxes'] for img_id, record in images.items()},
            labelled={img_id: record['gt_pids'] >= 0 for img_id, record in images.items()}, **self.detection_settings)

        metrics = {f'{key}{suffix}': evaluation[key]
                   for suffix, evaluation in evaluations.items() for key in self._keys()}
        metrics.update({f'det_{key}': value for key, value in detection.items()})
        self._log(evaluations, detection)
        if self.dump is not None:
            write_dump(self.dump, images, evaluations, metrics, self.search_settings)
        return metrics

    def _evaluate_searches(self, images: dict[int, dict]) -> dict[str, dict]:
        """Key suffix -> result of :func:`evaluate_search`, whose records also carry ``query_id`` and ``pid``."""
        protocols = (self.dataset_meta or {}).get('protocols')
        if not protocols:
            raise ValueError("dataset_meta['protocols'] must name at least one search protocol, got none; "
                             'use a test dataset of pedsearch')
        detections, features = _detections(images), _query_features(images)
        camids = {img_id: record['camid'] for img_id, record in images.items()}
        evaluations = {}
        for name, protocol in protocols.items():
            suffix = f'_{name}' if evaluations else ''
            queries = build_queries(name, protocol, features)
            searches = {suffix: (detections, queries, self.search_settings)}
            if self.cross_camera and 'cross_camera' not in protocols:
                elsewhere = other_camera_queries(queries, camids)
                searches[f'{suffix}_cross_camera'] = (detections, elsewhere, self.search_settings)
            if self.random_control and not suffix:
                control_detections, control_features = _randomize(detections, features, self.control_seed)
                searches['_control'] = (control_detections, build_queries(name, protocol, control_features),
                                        {**self.search_settings, 'cbgm': None})
            for key, refinement in self.refinements.items():
                if None not in refinement.values():
                    settings = {**self.search_settings, 'cbgm': None, **refinement}
                    searches[f'{suffix}{key}'] = (detections, queries, settings)
            for key, (searched, asked, settings) in searches.items():
                evaluations[key] = evaluate_search(searched, asked, **settings)
                for record, entry in zip(evaluations[key]['per_query'], protocol):
                    record.update(query_id=int(entry['query_id']), pid=int(entry['pid']))
        return evaluations

    def _keys(self) -> list[str]:
        return ['mAP', *(f'top{k}' for k in self.search_settings['topk'])]

    def _log(self, evaluations: dict[str, dict], detection: dict[str, float]) -> None:
        """A table in percent, one line per protocol, and a warning about queries that could not be scored."""
        first = next(iter(self.dataset_meta['protocols']))
        names = {suffix: suffix.lstrip('_') if suffix else first for suffix in evaluations}
        width = max(len('protocol'), *map(len, names.values()))
        lines = [f'{"protocol":<{width}}  queries' + ''.join(f'{key:>8}' for key in self._keys())]
        for suffix, result in evaluations.items():
            lines.append(f'{names[suffix]:<{width}}  {result["num_queries"] - result["num_without_target"]:>7}' +
                         ''.join(f'{100 * result[key]:>8.2f}' for key in self._keys()))
        lines.append('detection: ' + ', '.join(f'{key} {100 * value:.2f}' for key, value in detection.items()))
        print_log('person search, in percent\n' + '\n'.join(lines), logger='current')
        for suffix, result in evaluations.items():
            if result['num_without_target']:
                print_log(f'{names[suffix]}: {result["num_without_target"]} of {result["num_queries"]} queries have no '
                          'target in their gallery and were left out', logger='current', level=logging.WARNING)


def write_dump(path: str, images: Mapping[int, Mapping], evaluations: Mapping[str, Mapping],
               metrics: Mapping[str, float], settings: Mapping[str, Any]) -> None:
    """Write the ranked list of every query as JSON; the file appears complete or not at all.

    Args:
        path (str): target file; its folder is made.
        images (Mapping): img_id -> record with ``img_path`` and ``camid``.
        evaluations (Mapping): name ('' is the first protocol) -> result of :func:`evaluate_search`.
        metrics (Mapping): what the run reported.
        settings (Mapping): how the search was evaluated.
    """
    content = dict(
        format='pedsearch-search-dump',
        version=1,
        settings=dict(settings),
        metrics={key: None if np.isnan(value) else value for key, value in metrics.items()},
        images=[dict(img_id=img_id, img_path=record['img_path'], camid=record['camid'])
                for img_id, record in images.items()],
        evaluations={suffix.lstrip('_') or 'primary': result['per_query'] for suffix, result in evaluations.items()})
    write_json(path, content)


def _record(sample: Mapping) -> dict[str, Any]:
    """What one image contributes."""
    for field in ('img_id', 'pred_instances', 'gt_instances'):
        if sample.get(field) is None:
            raise ValueError(f'a data sample must have {field}, got {sorted(sample)}; check the test pipeline and '
                             "the model's predict()")
    predicted, annotated, queries = sample['pred_instances'], sample['gt_instances'], sample.get('query_instances')
    record = dict(
        img_id=int(sample['img_id']),
        img_path=sample.get('img_path'),
        camid=int(sample.get('camid', -1)),
        bboxes=_float32(predicted['bboxes']),
        scores=_float32(predicted['scores']),
        embeds=_float32(predicted['embeds']),
        gt_bboxes=_float32(annotated['bboxes']),
        gt_pids=as_array(annotated['pids'], 'gt_instances pids'),
        query_ids=[],
        query_embeds=[],
        context_embeds=[])
    if queries is not None and len(queries['query_ids']):
        record.update(query_ids=as_array(queries['query_ids'], 'query_ids').tolist(),
                      query_embeds=list(_float32(queries['embeds'])))
        contexts = queries['context_embeds'] if 'context_embeds' in queries else [None] * len(record['query_ids'])
        record['context_embeds'] = [None if embeds is None else _float32(embeds) for embeds in contexts]
    return record


def _float32(values: Any) -> np.ndarray:
    return as_array(getattr(values, 'tensor', values), 'instances').astype(np.float32)


def _detections(images: Mapping[int, Mapping]) -> dict[int, tuple]:
    return {img_id: (record['bboxes'], record['scores'], record['embeds']) for img_id, record in images.items()}


def _randomize(detections: Mapping[int, tuple], features: QueryFeatures,
               seed: int) -> tuple[dict[int, tuple], dict[int, tuple]]:
    """The same boxes, scores and queries with random embeddings; ``detections`` come in the order of their ids."""
    query_ids = sorted(features)
    num_rows = [len(scores) for _, scores, _ in detections.values()] + [len(query_ids)]
    *embeds, query_embeds = random_embeds(num_rows, len(features[query_ids[0]][0]), seed)
    return ({img_id: (bboxes, scores, rows) for (img_id, (bboxes, scores, _)), rows in zip(detections.items(), embeds)},
            {query_id: (embed, None) for query_id, embed in zip(query_ids, query_embeds)})


def _query_features(images: Mapping[int, Mapping]) -> QueryFeatures:
    return {query_id: (embed, contexts) for record in images.values() for query_id, embed, contexts in zip(
        record['query_ids'], record['query_embeds'], record['context_embeds'])}
