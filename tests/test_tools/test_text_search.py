"""Oracles: the inferencer and the metric by hand, and the pictures of sheets."""

import json
import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pedsearch.apis import GalleryIndex, PersonSearchInferencer, TextSearchInferencer
from pedsearch.datasets import SearchSceneDataset, described_people
from pedsearch.evaluation import evaluate_sentence_search
from tests.scene_files import write_block_scenes
from tests.test_apis.text_model_files import write_text_model
from tests.test_models.test_pretrain.described_batches import TEXTS
from tests.toy_models import tiny_model, tiny_model_config

TOOLS = Path(__file__).parents[2] / 'tools'
TEST = runpy.run_path(str(TOOLS / 'test_text_search.py'))


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> dict[str, str]:
    """A text model, a random detector, and described scenes."""
    folder = write_text_model(tmp_path_factory.mktemp('search'))
    root = write_block_scenes(folder / 'blocks')
    path = root / 'annotations/test.json'
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation['caption'] = TEXTS[annotation['person_id'] % len(TEXTS)]
    path.write_text(json.dumps(content))
    cfg = tiny_model_config('nae')
    cfg.model.test_cfg.rcnn.score_thr = -1.
    pipeline = [dict(type='LoadImage'), dict(type='mmdet.Resize', scale=(192, 144), keep_ratio=True),
                dict(type='LoadSearchAnnotations'), dict(type='PackSearchInputs')]
    cfg.default_scope = 'pedsearch'
    cfg.test_dataloader = dict(dataset=dict(
        type='SearchSceneDataset', data_root=str(root), split='test', pipeline=pipeline, test_mode=True))
    cfg.test_evaluator = dict(type='PersonSearchMetric')
    cfg.dump(folder / 'detector.py')
    torch.save(dict(state_dict=tiny_model('nae').state_dict()), folder / 'detector.pth')
    return dict(text=str(folder / 'config.py'), weights=str(folder / 'weights.pth'), root=str(root),
                detector=str(folder / 'detector.py'), detector_weights=str(folder / 'detector.pth'))


@pytest.fixture(scope='module')
def inferencer(files) -> TextSearchInferencer:
    return TextSearchInferencer(files['text'], files['weights'], 'cpu')


def test_figures_are_those_of_the_metric(files, inferencer, tmp_path, capsys):
    out = tmp_path / 'figures.json'
    assert TEST['main']([files['text'], files['weights'], '--detector', files['detector'], files['detector_weights'],
                         '--device', 'cpu', '--out', str(out)]) == 0
    shown = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert list(found) == ['annotated boxes', 'annotated boxes, random ranking', 'detected boxes',
                           'detected boxes, random ranking']
    assert all(name in shown for name in found)

    dataset = SearchSceneDataset(files['root'], split='test', pipeline=[], test_mode=True)
    described = described_people(dataset)
    embeds = inferencer.embed_text([one['text'] for one in described])
    detections = {}
    for place in range(len(dataset)):
        info = dataset.get_data_info(place)
        index = inferencer.index_people([info['img_path']], [[one['bbox'] for one in info['instances']]])
        detections[place] = index.bboxes, index.scores, index.embeds
    expected = evaluate_sentence_search(detections, described, embeds)
    assert found['annotated boxes']['mAP'] == pytest.approx(expected['mAP'])
    assert found['annotated boxes']['num_queries'] == len(described) == 5
    assert found['annotated boxes']['mAP'] > found['detected boxes']['mAP']  # the detector is random


def test_annotated_boxes_need_no_detector(files, capsys):
    assert TEST['main']([files['text'], files['weights'], '--scenes', files['detector'], '--device', 'cpu']) == 0
    assert 'detected' not in capsys.readouterr().out
    with pytest.raises(SystemExit):
        TEST['main']([files['text'], files['weights']])
    assert 'give --detector, or --scenes for annotated boxes alone' in capsys.readouterr().err
    assert TEST['main']([files['text'], files['weights'], '--scenes', 'nothing.py']) == 1
    assert 'nothing.py' in capsys.readouterr().err


def test_a_sentence_finds_people_in_a_folder(files, inferencer, tmp_path, monkeypatch, capsys):
    def run(*options: str) -> None:
        monkeypatch.setattr(sys, 'argv', [
            'search.py', files['detector'], files['detector_weights'], '--gallery', os.path.join(files['root'], 'images'),
            '--topk', '3', '--device', 'cpu', *options])
        runpy.run_path(str(TOOLS / 'search.py'), run_name='__main__')

    asked = '--text', TEXTS[0], '--text-model', files['text'], files['weights']
    run(*asked, '--index', str(tmp_path / 'kept.npz'), '--out', str(tmp_path / 'out.png'))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    images = sorted(str(path) for path in (Path(files['root']) / 'images').iterdir())
    detector = PersonSearchInferencer(files['detector'], files['detector_weights'], 'cpu')
    index = inferencer.index_scenes(detector, images)
    np.testing.assert_allclose(GalleryIndex.load(tmp_path / 'kept.npz').embeds, index.embeds, atol=1e-5)
    hits = inferencer.search_text(TEXTS[0], index, topk=3)
    assert [line[2] for line in lines] == [hit.image for hit in hits]
    assert (tmp_path / 'out.png').stat().st_size > 1000
    run(*asked, '--index', str(tmp_path / 'kept.npz'), '--scenes', '--out', str(tmp_path / 'scenes.png'))
    for options in (asked[:2], (*asked, '--query', 'a.png'), ('--query', 'a.png'), ()):
        with pytest.raises(SystemExit):
            run(*options)
        assert 'give either --query and --bbox, or --text and --text-model' in capsys.readouterr().err
