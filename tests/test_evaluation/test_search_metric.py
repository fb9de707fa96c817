import json
import logging

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from pedsearch.evaluation import PersonSearchMetric, build_queries
from pedsearch.functional import evaluate_detection, evaluate_search
from pedsearch.registry import METRICS
from pedsearch.structures import SearchDataSample

from ..processes import run_on_processes

NUM_IMAGES, DIMS = 12, 6


def scenes(seed=0):
    """Samples of a small test set, as a model returns them, and the dataset's protocols."""
    rng = np.random.default_rng(seed)
    identities = rng.standard_normal((4, DIMS))
    samples, where = [], {}
    for img_id in range(NUM_IMAGES):
        pids = rng.permutation(4)[:rng.integers(1, 4)]
        corners = np.arange(len(pids))[:, None] * [120.0, 0.0]
        gt = np.concatenate([corners, corners + [60, 160]], axis=1)
        found = rng.random(len(pids)) < .8
        embeds = identities[pids] + .8 * rng.standard_normal((len(pids), DIMS))
        embeds /= np.linalg.norm(embeds, axis=1, keepdims=True)
        for box, pid in zip(gt, pids.tolist()):
            where.setdefault(pid, []).append((img_id, box))
        samples.append(sample(img_id, gt + rng.normal(0, 4, gt.shape), rng.uniform(.4, 1, len(gt)), embeds, found, gt,
                              np.where(pids == 3, -1, pids)))
    queries = []
    for pid in (0, 1, 2):
        for img_id, box in where[pid][:3]:
            targets = {other: bbox[None] for other, bbox in where[pid] if other != img_id}
            query_id = len(queries)
            queries.append({'query_id': query_id, 'img_id': img_id, 'bbox': box, 'pid': pid, 'targets': targets,
                            'gallery': None})
            add_query(samples[img_id], query_id, box)
    small = [{**query, 'gallery': np.arange(0, NUM_IMAGES, 2, dtype=np.int32)} for query in queries]
    return samples, {'all': queries, 'G6': small}


def sample(img_id, bboxes, scores, embeds, found, gt, pids):
    data = SearchDataSample(metainfo={'img_id': img_id, 'camid': img_id % 3, 'img_path': f'{img_id}.jpg'})
    data.pred_instances = InstanceData(
        bboxes=torch.tensor(bboxes[found]).float(), scores=torch.tensor(scores[found]).half(),
        labels=torch.zeros(int(found.sum()), dtype=torch.long), embeds=torch.tensor(embeds[found]).float())
    data.gt_instances = InstanceData(bboxes=torch.tensor(gt).float(), labels=torch.zeros(len(gt)), pids=torch.tensor(pids))
    data.query_instances = InstanceData(bboxes=torch.zeros(0, 4), query_ids=torch.zeros(0, dtype=torch.long),
                                        embeds=torch.zeros(0, DIMS), context_embeds=[])
    return data


def add_query(data, query_id, box):
    rows = data.query_instances
    embed = torch.randn(1, DIMS, generator=torch.Generator().manual_seed(query_id))
    data.query_instances = InstanceData(
        bboxes=torch.cat([rows.bboxes, torch.tensor(box)[None].float()]),
        query_ids=torch.cat([rows.query_ids, torch.tensor([query_id])]), embeds=torch.cat([rows.embeds, embed]),
        context_embeds=[*rows.context_embeds, data.pred_instances.embeds])


def run(samples, protocols, size=NUM_IMAGES, batch=5, **kwargs):
    metric = PersonSearchMetric(**kwargs)
    metric.dataset_meta = {'protocols': protocols}
    for start in range(0, len(samples), batch):
        metric.process(None, [data.to_dict() for data in samples[start:start + batch]])
    return metric.evaluate(size)


EVERYTHING = {'cbgm': {'k1': 3, 'k2': 2}, 'cross_camera': True, 'random_control': True, 'score_weighted': True,
              'rerank': {'k1': 4, 'k2': 2}, 'query_expansion': {'k': 2}}


def on_one_of_two_processes(rank, world_size, order, repeat):
    """Contiguous shares in any order, each with repeated images in front."""
    samples, protocols = scenes()
    share = np.array_split(np.array(order), world_size)[rank].tolist()
    return run([samples[i] for i in share[:repeat] + share], protocols, **EVERYTHING)


# ---- values -------------------------------------------------------------------------------------------------------

def test_refined_results_stand_beside_the_plain_ones():
    samples, protocols = scenes()
    detections = {data.img_id: tuple(data.pred_instances[key].float() for key in ('bboxes', 'scores', 'embeds'))
                  for data in samples}
    features = {int(query_id): (embed, None) for data in samples
                for query_id, embed in zip(data.query_instances.query_ids, data.query_instances.embeds)}
    plain = run(samples, protocols)
    metrics = run(samples, protocols, rerank={'k1': 4, 'k2': 2}, query_expansion={'k': 2})
    assert {key: metrics[key] for key in plain} == plain
    for name, protocol in protocols.items():
        queries = build_queries(name, protocol, features)
        suffix = '' if name == next(iter(protocols)) else f'_{name}'
        for key, settings in (('rerank', {'rerank': {'k1': 4, 'k2': 2}}), ('aqe', {'query_expansion': {'k': 2}})):
            expected = evaluate_search(detections, queries, **settings)
            assert metrics[f'search/mAP{suffix}_{key}'] == expected['mAP']
            assert metrics[f'search/top1{suffix}_{key}'] == expected['top1']
    assert metrics['search/mAP_rerank'] != metrics['search/mAP']


def test_metric_equals_the_functions():
    samples, protocols = scenes()
    metrics = run(samples, protocols)
    detections = {data.img_id: tuple(data.pred_instances[key].float() for key in ('bboxes', 'scores', 'embeds'))
                  for data in samples}
    features = {int(query_id): (embed, None) for data in samples
                for query_id, embed in zip(data.query_instances.query_ids, data.query_instances.embeds)}
    expected = {}
    for name, suffix in (('all', ''), ('G6', '_G6')):
        result = evaluate_search(detections, build_queries(name, protocols[name], features))
        expected.update({f'search/{key}{suffix}': result[key] for key in ('mAP', 'top1', 'top5', 'top10')})
    found = evaluate_detection(detections, {data.img_id: data.gt_instances.bboxes for data in samples},
                               labelled={data.img_id: data.gt_instances.pids >= 0 for data in samples})
    expected.update({f'search/det_{key}': value for key, value in found.items()})
    assert set(found) == {'recall', 'AP', 'recall_labelled'}
    assert metrics == pytest.approx(expected)
    assert 0 < metrics['search/mAP'] < 1


def test_settings_reach_the_functions():
    samples, protocols = scenes()
    metrics = run(samples, protocols, **EVERYTHING, score_thr=.6, topk=(2, ), det_score_thr=.99, prefix='test')
    assert metrics['test/det_recall'] < run(samples, protocols)['search/det_recall']
    assert {key for key in metrics if 'top' in key} == {
        f'test/top2{suffix}' for suffix in ('', '_G6', '_control', '_cross_camera', '_G6_cross_camera', '_rerank',
                                            '_G6_rerank', '_aqe', '_G6_aqe')}


def test_a_dataset_with_cross_camera_galleries_needs_no_second_ones():
    samples, protocols = scenes()
    elsewhere = [{**query, 'gallery': np.array([i for i in range(NUM_IMAGES) if i % 3 != query['img_id'] % 3], np.int32)}
                 for query in protocols['all']]
    given = run(samples, {'all': protocols['all'], 'cross_camera': elsewhere}, cross_camera=True)
    assert given == run(samples, {'all': protocols['all']}, cross_camera=True)
    assert {key for key in given if 'mAP' in key} == {'search/mAP', 'search/mAP_cross_camera'}


def test_control_is_near_chance_and_reproducible():
    samples, protocols = scenes()
    for data in samples:  # a perfect model: everyone has the embedding of their query
        annotated = data.gt_instances
        data.pred_instances = InstanceData(bboxes=annotated.bboxes, scores=torch.ones(len(annotated)),
                                           labels=annotated.labels, embeds=torch.eye(DIMS)[annotated.pids])
    features = {query['query_id']: torch.eye(DIMS)[query['pid']] for query in protocols['all']}
    for data in samples:
        for row, query_id in enumerate(data.query_instances.query_ids.tolist()):
            data.query_instances.embeds[row] = features[query_id]
    metrics = run(samples, protocols, random_control=True)
    assert metrics['search/mAP'] == metrics['search/det_recall'] == metrics['search/det_AP'] == 1
    assert metrics['search/mAP_control'] < .8
    assert run(samples, protocols, random_control=True) == metrics
    assert run(samples, protocols, random_control=True, control_seed=1)['search/mAP_control'] != metrics['search/mAP_control']


# ---- what must not matter -----------------------------------------------------------------------------------------

def test_order_and_repetition_of_images():
    samples, protocols = scenes()
    expected = run(samples, protocols, **EVERYTHING)
    order = np.random.default_rng(0).permutation(NUM_IMAGES).tolist()
    assert run([samples[i] for i in order], protocols, **EVERYTHING) == expected
    assert run([samples[i] for i in order + order[:5]], protocols, **EVERYTHING) == expected


def test_two_processes_equal_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # mmengine gathers through a folder below the current one
    expected = run(*scenes(), **EVERYTHING)
    order = np.random.default_rng(1).permutation(NUM_IMAGES).tolist()
    first, second = run_on_processes(on_one_of_two_processes, 2, order, 2)
    assert first == second == expected


# ---- dump and log -------------------------------------------------------------------------------------------------

def test_dump_holds_what_a_picture_needs(tmp_path):
    samples, protocols = scenes()
    path = tmp_path / 'new folder' / 'search.json'
    metrics = run(samples, protocols, dump=str(path), random_control=True)
    content = json.loads(path.read_text())
    assert [file.name for file in path.parent.iterdir()] == ['search.json']
    assert set(content['evaluations']) == {'primary', 'G6', 'control'}
    assert content['images'][4] == {'img_id': 4, 'img_path': '4.jpg', 'camid': 1}
    records = content['evaluations']['primary']
    assert [record['query_id'] for record in records] == list(range(len(protocols['all'])))
    assert np.mean([record['ap'] for record in records]) == pytest.approx(metrics['search/mAP'])
    for record, query in zip(records, protocols['all']):
        assert (record['pid'], record['img_id'], record['bbox']) == (query['pid'], query['img_id'], list(query['bbox']))
        scores = [entry['score'] for entry in record['top']]
        assert scores == sorted(scores, reverse=True)
        assert query['img_id'] not in [entry['img_id'] for entry in record['top']]
        hits = [rank for rank, entry in enumerate(record['top'], 1) if entry['is_match']]
        assert record['first_hit'] == (hits[0] if hits else record['first_hit'])


def test_a_failed_dump_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'search.json'
    path.write_text('old')
    monkeypatch.setattr('os.replace', lambda *args: (_ for _ in ()).throw(OSError('disk full')))
    with pytest.raises(OSError, match='disk full'):
        run(*scenes(), dump=str(path))
    assert path.read_text() == 'old'


def test_table_and_warning_are_logged(caplog):
    samples, protocols = scenes()
    num_queries = len(protocols['all'])
    protocols['all'].append({**protocols['all'][0], 'targets': {}})
    logger = MMLogger.get_instance('test_search_metric', logger_name='mmengine')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        metrics = run(samples, protocols, cross_camera=True)
    table = next(message for message in caplog.messages if 'protocol' in message)
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
    assert rows['all'] == [str(num_queries), *(f'{100 * metrics[f"search/{key}"]:.2f}' for key in ('mAP', 'top1', 'top5', 'top10'))]
    assert 'G6_cross_camera' in rows
    assert any(f'all: 1 of {num_queries + 1} queries have no target in their gallery' in message for message in caplog.messages)


# ---- bad input ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('kwargs', 'error', 'text'), [
    ({'topk': [0]}, ValueError, 'topk must be a sequence of ints >= 1'),
    ({'cbgm': {'k1': 3}}, ValueError, 'cbgm must have the keys k1, k2'),
    ({'cbgm': 'max'}, TypeError, 'cbgm must be a dict'),
    ({'rerank': {'k1': 0}}, ValueError, 'rerank: k1 must be an int >= 1, got 0'),
    ({'query_expansion': {'n': 3}}, ValueError, r"query_expansion must be a dict with some of .* got \['n'\]"),
    ({'dump': 'results.pkl'}, ValueError, "dump must be the path of a .json file or None, got 'results.pkl'"),
    ({'dump': 3}, ValueError, 'dump must be the path of a .json file or None, got 3'),
    ({'score_thr': 'x'}, ValueError, "score_thr must be a number, got 'x'"),
    ({'det_score_thr': None}, ValueError, 'det_score_thr must be a number, got None'),
    ({'iou_thr': 'x'}, ValueError, "iou_thr must be a number, got 'x'"),
    ({'iou_thr': float('nan')}, ValueError, 'iou_thr must be a number, got nan'),
    ({'iou_thr': 5}, ValueError, r'iou_thr must be in \(0, 1\], got 5'),
    ({'duplicates': 'no'}, ValueError, "duplicates must be one of .* got 'no'"),
    ({'score_weighted': 'yes'}, ValueError, "score_weighted must be True or False, got 'yes'"),
    ({'cross_camera': 'no'}, ValueError, "cross_camera must be True or False, got 'no'"),
    ({'random_control': 1}, ValueError, 'random_control must be True or False, got 1'),
    ({'control_seed': 'x'}, ValueError, "control_seed must be an int >= 0, got 'x'"),
])
def test_bad_settings_fail_when_the_metric_is_built(kwargs, error, text):
    with pytest.raises(error, match=text):
        METRICS.build({'type': 'PersonSearchMetric', **kwargs})


def test_a_query_whose_image_was_not_run():
    samples, protocols = scenes()
    missing = protocols['all'][4]['img_id']
    with pytest.raises(ValueError, match=f"protocol 'all': expected a feature .* of image {missing}; run the test over"):
        run([data for data in samples if data.img_id != missing], protocols)


def test_a_dataset_without_protocols():
    samples, _ = scenes()
    for protocols in ({}, None):
        with pytest.raises(ValueError, match=r"dataset_meta\['protocols'\] must name at least one search protocol"):
            run(samples, protocols)


def test_no_image_at_all():
    with pytest.raises(ValueError, match='results of at least one test image, got none'):
        run([], scenes()[1])


def test_unknown_cameras_are_refused_at_the_first_batch():
    samples, _ = scenes()
    samples[1].set_metainfo({'camid': -1})
    metric = PersonSearchMetric(cross_camera=True)
    with pytest.raises(ValueError, match=r'cross_camera needs the camera of every image, got none for image 1 \(1.jpg\)'):
        metric.process(None, [data.to_dict() for data in samples[:2]])


def test_a_sample_without_predictions():
    samples, _ = scenes()
    del samples[0].pred_instances
    with pytest.raises(ValueError, match='a data sample must have pred_instances, got'):
        PersonSearchMetric().process(None, [samples[0].to_dict()])


def test_nan_features_name_the_image():
    samples, protocols = scenes()
    samples[3].pred_instances.embeds = torch.full_like(samples[3].pred_instances.embeds, float('nan'))
    samples[3].query_instances = InstanceData(query_ids=samples[3].query_instances.query_ids,
                                              embeds=samples[3].query_instances.embeds)
    with pytest.raises(ValueError, match='embeds must be finite, got NaN or infinity in image 3'):
        run(samples, protocols)
