import json
import logging

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from pedsearch.evaluation import ReIDMetric
from pedsearch.functional import average_query_expansion, k_reciprocal_rerank, rank_metrics
from pedsearch.registry import METRICS
from pedsearch.structures import UNLABELED, ReIDDataSample

from ..processes import run_on_processes

NUM_QUERIES, NUM_GALLERY, DIMS = 8, 30, 6
EVERYTHING = {'rerank': {'k1': 4, 'k2': 2}, 'query_expansion': {'k': 3, 'alpha': 1}, 'ap': 'trapezoid'}


def images(seed=0):
    """Samples of a small test set, as a model returns them, gallery and queries mixed; the last query has no match."""
    rng = np.random.default_rng(seed)
    identities = rng.standard_normal((5, DIMS))
    samples = []
    for sample_idx in rng.permutation(NUM_QUERIES + NUM_GALLERY).tolist():
        is_query = sample_idx % 5 == 0
        pid = int(rng.integers(0, 4)) if is_query else int(rng.integers(-1, 4))
        samples.append(image(sample_idx, identities[pid] + .9 * rng.standard_normal(DIMS), pid, int(rng.integers(3)),
                             is_query))
    samples.append(image(100, rng.standard_normal(DIMS), 9, 0, True))
    return samples


def image(sample_idx, feat, pid, camid, is_query):
    sample = ReIDDataSample(metainfo={'sample_idx': sample_idx, 'img_path': f'{sample_idx}.jpg', 'pid': pid,
                                      'camid': camid, 'is_query': is_query})
    sample.feat = torch.tensor(feat).half()
    return sample


def run(samples, size=NUM_QUERIES + NUM_GALLERY + 1, batch=5, **kwargs):
    metric = ReIDMetric(**kwargs)
    for start in range(0, len(samples), batch):
        metric.process(None, [sample.to_dict() for sample in samples[start:start + batch]])
    return metric.evaluate(size)


def columns(samples):
    """Features, identities and cameras of queries and of gallery with identity, in the order of the dataset."""
    parts = []
    for is_query in (True, False):
        chosen = [sample for sample in sorted(samples, key=lambda sample: sample.sample_idx)
                  if sample.is_query == is_query and (is_query or sample.pid != UNLABELED)]
        parts.append([torch.stack([sample.feat.float() for sample in chosen]).numpy(),
                      *([sample.get(key) for sample in chosen] for key in ('pid', 'camid'))])
    return [part for pair in zip(*parts) for part in pair]


def on_one_of_two_processes(rank, world_size, order, repeat):
    """Contiguous shares in any order, each with repeated images in front."""
    samples = images()
    share = np.array_split(np.array(order), world_size)[rank].tolist()
    return run([samples[i] for i in share[:repeat] + share], **EVERYTHING)


# ---- values -------------------------------------------------------------------------------------------------------

def test_metric_equals_the_functions():
    samples = images()
    query, gallery, *ids = columns(samples)
    metrics = run(samples)
    assert metrics == {f'reid/{key}': value for key, value in rank_metrics(query, gallery, *ids).items()}
    assert 0 < metrics['reid/mAP'] < 1

    rerank, expansion = EVERYTHING['rerank'], EVERYTHING['query_expansion']
    settings = {'ap': 'trapezoid', 'topk': (2, )}
    rankings = {'': rank_metrics(query, gallery, *ids, **settings),
                '_rerank': rank_metrics(None, None, *ids, dist=k_reciprocal_rerank(query, gallery, **rerank), **settings),
                '_aqe': rank_metrics(*average_query_expansion(query, gallery, **expansion), *ids, **settings)}
    expected = {f'test/{key}{suffix}': value for suffix, part in rankings.items() for key, value in part.items()}
    assert run(samples, **EVERYTHING, topk=[2], prefix='test') == expected
    assert len({expected[f'test/mAP{suffix}'] for suffix in rankings}) == 3


def test_cameras_can_be_ignored():
    samples = images()
    query, gallery, query_pids, gallery_pids, *_ = columns(samples)
    expected = rank_metrics(query, gallery, query_pids, gallery_pids)['mAP']
    assert run(samples, cross_camera=False)['reid/mAP'] == expected != run(samples)['reid/mAP']
    for sample in samples:
        sample.set_metainfo({'camid': -1})
    assert run(samples, cross_camera=False)['reid/mAP'] == expected


def test_images_without_identity_do_not_reach_any_function():
    samples = images()
    junk = [sample for sample in samples if not sample.is_query and sample.pid == UNLABELED]
    assert junk
    expected = run(samples, **EVERYTHING)
    for sample in junk:
        sample.feat = torch.randn(DIMS)
    assert run(samples, **EVERYTHING) == expected


# ---- what must not matter -----------------------------------------------------------------------------------------

def test_order_and_repetition_of_images():
    samples = images()
    expected = run(samples, **EVERYTHING)
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    assert run([samples[i] for i in order + order[:5]], **EVERYTHING) == expected


def test_two_processes_equal_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # mmengine gathers through a folder below the current one
    samples = images()
    order = np.random.default_rng(1).permutation(len(samples)).tolist()
    first, second = run_on_processes(on_one_of_two_processes, 2, order, 2)
    assert first == second == run(samples, **EVERYTHING)


# ---- dump and log -------------------------------------------------------------------------------------------------

def test_dump_holds_what_a_picture_needs(tmp_path):
    samples, path = images(), tmp_path / 'reid.json'
    metrics = run(samples, dump=str(path), **EVERYTHING)
    content = json.loads(path.read_text())
    assert content['metrics'] == {key.removeprefix('reid/'): value for key, value in metrics.items()}
    assert content['settings'] == {'topk': [1, 5, 10], 'cross_camera': True, **EVERYTHING}
    assert set(content['evaluations']) == {'primary', 'rerank', 'aqe'}
    known = {sample.sample_idx: sample for sample in samples}
    for name, entries in content['evaluations'].items():
        assert [entry['sample_idx'] for entry in entries] == sorted(i for i, sample in known.items() if sample.is_query)
        assert [entry['sample_idx'] for entry in entries if entry['ap'] is None] == [100]
        key = 'mAP' if name == 'primary' else f'mAP_{name}'
        scored = [entry for entry in entries if entry['ap'] is not None]
        assert np.mean([entry['ap'] for entry in scored]) == pytest.approx(content['metrics'][key])
        for entry in entries:
            assert len(entry['top']) == 10
            dists = [item['dist'] for item in entry['top']]
            assert dists == sorted(dists)
            for item in entry['top']:
                shown = known[item['sample_idx']]
                assert (item['img_path'], item['pid'], item['camid']) == (shown.img_path, shown.pid, shown.camid)
                assert not shown.is_query
                assert shown.pid != UNLABELED
                assert (shown.pid, shown.camid) != (entry['pid'], entry['camid'])
                assert item['is_match'] == (shown.pid == entry['pid'])
        for entry in scored:
            hits = [rank for rank, item in enumerate(entry['top'], 1) if item['is_match']]
            assert entry['first_rank'] == (hits[0] if hits else entry['first_rank'])
    nearest = content['evaluations']['primary'][0]
    feats = [torch.nn.functional.normalize(known[item['sample_idx']].feat.double(), dim=0)
             for item in (nearest, nearest['top'][0])]
    assert nearest['top'][0]['dist'] == pytest.approx((feats[0] - feats[1]).norm().item(), abs=1e-6)


def test_table_and_warning_are_logged(caplog):
    logger = MMLogger.get_instance('test_reid_metric', logger_name='mmengine')
    logger.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        metrics = run(images(), rerank={})
    table = next(message for message in caplog.messages if 'ranking' in message)
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()}
    keys = ['mAP', 'mINP', 'rank1', 'rank5', 'rank10']
    assert rows['ranking'] == ['queries', *keys]
    assert rows['plain'] == ['8', *(f'{100 * metrics[f"reid/{key}"]:.2f}' for key in keys)]
    assert rows['rerank'] == ['8', *(f'{100 * metrics[f"reid/{key}_rerank"]:.2f}' for key in keys)]
    assert '1 of 9 queries have no true match in the gallery and were left out' in caplog.messages


# ---- bad input ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(('kwargs', 'error', 'text'), [
    ({'topk': [0]}, ValueError, 'topk must be a sequence of ints >= 1'),
    ({'ap': 'mean'}, ValueError, r"ap must be one of \('step', 'trapezoid'\), got 'mean'"),
    ({'cross_camera': 'no'}, ValueError, "cross_camera must be True or False, got 'no'"),
    ({'rerank': True}, TypeError, 'rerank must be a dict with some of .* or None, got bool'),
    ({'rerank': {'k1': 0}}, ValueError, 'rerank: k1 must be an int >= 1, got 0'),
    ({'rerank': {'k3': 1}}, ValueError, r"rerank must be a dict with some of .*, got \['k3'\]"),
    ({'query_expansion': 5}, TypeError, 'query_expansion must be a dict with some of .* or None, got int'),
    ({'query_expansion': {'alpha': -1}}, ValueError, 'query_expansion: alpha must be a number >= 0, got -1'),
    ({'dump': 'results.pkl'}, ValueError, "dump must be the path of a .json file or None, got 'results.pkl'"),
])
def test_bad_settings_fail_when_the_metric_is_built(kwargs, error, text):
    with pytest.raises(error, match=text):
        METRICS.build({'type': 'ReIDMetric', **kwargs})


@pytest.mark.parametrize('field', ['sample_idx', 'feat', 'pid', 'is_query'])
def test_a_sample_without_a_field(field):
    record = images()[0].to_dict()
    del record[field]
    with pytest.raises(ValueError, match=f'a data sample must have {field}, got'):
        ReIDMetric().process(None, [record])


@pytest.mark.parametrize(('changes', 'text'), [
    ({'feat': torch.ones(1, 3)}, r'feat must have shape \(D,\), got \(1, 3\) for image 4 \(4.jpg\)'),
    ({'feat': torch.tensor([1., float('nan')])}, 'feat must be finite, got NaN or infinity for image 4'),
    ({'camid': -1}, r'cross_camera needs the camera of every image, got none for image 4 \(4.jpg\)'),
])
def test_bad_samples_are_refused_at_once(changes, text):
    record = {**image(4, np.ones(3), 1, 0, True).to_dict(), **changes}
    with pytest.raises(ValueError, match=text):
        ReIDMetric().process(None, [record])


def test_a_test_set_without_queries_or_gallery():
    samples = images()
    for chosen in ([], [sample for sample in samples if sample.is_query]):
        num = len(chosen)
        with pytest.raises(ValueError, match=f'expected queries and gallery images with identity, got {num} and 0'):
            run(chosen)


def test_features_of_several_lengths():
    samples = [image(0, np.ones(3), 1, 0, True), image(1, np.ones(3), 1, 1, False), image(2, np.ones(4), 1, 1, False)]
    with pytest.raises(ValueError, match=r'feat must have one length for all images, got \[3, 4\]'):
        run(samples)
