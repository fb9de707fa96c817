"""Oracles: the model run by hand on the dataset's samples, and the ranking of the test protocol."""

import copy
import os
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from pedsearch.apis import GalleryIndex, PersonSearchInferencer
from pedsearch.functional import SearchQuery, evaluate_search
from pedsearch.registry import DATASETS
from pedsearch.visualization import Answer, RankedQuery, View, draw_sheet
from tests.scene_files import write_block_scenes
from tests.toy_models import tiny_model, tiny_model_config

TOOL = str(Path(__file__).parents[2] / 'tools/search.py')


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    return write_block_scenes(tmp_path_factory.mktemp('scenes') / 'blocks')


@pytest.fixture(scope='module')
def cfg(root: Path) -> Config:
    """Everything that the random network looks at is a person, so that there is something to search."""
    cfg = tiny_model_config('nae')
    cfg.model.test_cfg.rcnn.score_thr = -1.
    pipeline = [dict(type='LoadImage'), dict(type='mmdet.Resize', scale=(192, 144), keep_ratio=True),
                dict(type='LoadSearchAnnotations'), dict(type='PackSearchInputs')]
    cfg.default_scope = 'pedsearch'
    cfg.test_dataloader = dict(dataset=dict(
        type='SearchSceneDataset', data_root=str(root), split='test', pipeline=pipeline, test_mode=True))
    cfg.test_evaluator = dict(type='PersonSearchMetric')
    return cfg


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> str:
    """As training saves it: with the memory, behind a wrapper's prefix."""
    path = tmp_path_factory.mktemp('weights') / 'last.pth'
    weights = {f'module.{name}': weight for name, weight in tiny_model('nae').state_dict().items()}
    torch.save(dict(meta=dict(epoch=1), state_dict=weights), path)
    return str(path)


@pytest.fixture(scope='module')
def inferencer(cfg: Config, checkpoint: str) -> PersonSearchInferencer:
    return PersonSearchInferencer(cfg, checkpoint, device='cpu')


@pytest.fixture(scope='module')
def images(root: Path) -> list[str]:
    return sorted(str(path) for path in (root / 'images').glob('test_*.png'))


@torch.no_grad()
def run_by_hand(cfg: Config, checkpoint: str) -> tuple[list[str], list]:
    """Image names and outputs of the model, in training's own form, on the samples of the test dataset."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    model = tiny_model('nae').eval()
    model.roi_head.test_cfg.score_thr = -1.
    outputs = [model.test_step({key: [value] for key, value in dataset[index].items()})[0]
               for index in range(len(dataset))]
    return [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))], outputs


@pytest.mark.parametrize('weighted', [False, True])
def test_ranking_is_that_of_the_test_protocol(cfg: Config, checkpoint: str, images: list, weighted: bool) -> None:
    names, outputs = run_by_hand(cfg, checkpoint)
    detections = {place: (out.pred_instances.bboxes, out.pred_instances.scores, out.pred_instances.embeds)
                  for place, out in enumerate(outputs)}
    weighted_cfg = Config(cfg.to_dict())
    weighted_cfg.test_evaluator.score_weighted = weighted
    searcher = PersonSearchInferencer(weighted_cfg, checkpoint, device='cpu')
    index = searcher.index(images)
    for place, out in enumerate(outputs):
        for bbox, embed in zip(out.query_instances.bboxes, out.query_instances.embeds):
            query = SearchQuery(place, bbox, embed, targets={})
            expected, = evaluate_search(detections, [query], score_thr=0., score_weighted=weighted)['per_query']
            hits = searcher.search(names[place], bbox, index, topk=10)
            assert [hit.image for hit in hits] == [names[hit['img_id']] for hit in expected['top']]
            assert [list(hit.bbox) for hit in hits] == [pytest.approx(hit['bbox']) for hit in expected['top']]
            assert [hit.score for hit in hits] == pytest.approx([hit['score'] for hit in expected['top']])
            assert len({hit.score for hit in hits}) == 10


def test_detections_are_those_of_the_model(cfg: Config, checkpoint: str, inferencer: PersonSearchInferencer) -> None:
    names, outputs = run_by_hand(cfg, checkpoint)
    found = inferencer.detect(names[1])
    assert len(found.scores) > 1
    for name in ('bboxes', 'scores', 'embeds'):
        assert np.array_equal(getattr(found, name), outputs[1].pred_instances[name].numpy())
    assert 'memory' not in dict(inferencer.model.roi_head.named_children())


def test_array_is_the_file_it_was_read_from(inferencer: PersonSearchInferencer, images: list) -> None:
    from_file, from_array = inferencer.detect(images[0]), inferencer.detect(cv2.imread(images[0]))
    assert np.array_equal(from_file.bboxes, from_array.bboxes)
    assert np.array_equal(from_file.embeds, from_array.embeds)
    index = inferencer.index([cv2.imread(image) for image in images])
    assert index.images == ['0', '1', '2', '3']


@pytest.mark.parametrize('batch_size', [2, 3, 10])
def test_batch_size_changes_nothing(inferencer: PersonSearchInferencer, images: list, batch_size: int) -> None:
    one, many = inferencer.index(images), inferencer.index(iter(images), batch_size)
    assert one.images == many.images == images
    assert np.array_equal(one.image_inds, many.image_inds)
    assert np.allclose(one.bboxes, many.bboxes, atol=1e-3)
    assert np.allclose(one.embeds, many.embeds, atol=1e-4)


def test_query_image_is_left_out_unless_asked_for(inferencer: PersonSearchInferencer, images: list) -> None:
    index = inferencer.index(images)
    bbox = inferencer.detect(images[0]).bboxes[0]
    same = os.path.join(os.path.dirname(images[0]), '..', 'images', os.path.basename(images[0]))
    others = inferencer.search(same, bbox, index, topk=len(index))
    assert {hit.image for hit in others} == set(images[1:])
    everything = inferencer.search(images[0], bbox, index, topk=len(index), leave_out_query_image=False)
    assert len(everything) == len(index)


def test_query_box_is_cut_at_the_border(inferencer: PersonSearchInferencer, images: list) -> None:
    inside, sticking_out = inferencer.embed(images[0], [[0, 10, 40, 90]]), inferencer.embed(images[0], [[-9, 10, 40, 90]])
    assert np.array_equal(inside, sticking_out)
    assert inside.shape == (1, 16)
    assert np.linalg.norm(inside) == pytest.approx(1, abs=1e-5)


def test_model_with_config_is_taken_as_it_is(cfg: Config, inferencer: PersonSearchInferencer, images: list) -> None:
    model = inferencer.model
    model.cfg = cfg
    again = PersonSearchInferencer(model, device='cpu')
    assert again.model is model
    assert np.array_equal(again.detect(images[0]).embeds, inferencer.detect(images[0]).embeds)
    with pytest.raises(ValueError, match='a model must carry its mmengine Config as `cfg`, got NoneType'):
        PersonSearchInferencer(tiny_model('nae'))


def test_checkpoint_of_another_model_is_refused(cfg: Config, checkpoint: str, tmp_path: Path) -> None:
    weights = torch.load(checkpoint, weights_only=True)['state_dict']
    del weights['module.rpn_head.rpn_cls.weight']
    torch.save(weights, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'other.pth does not fit the model: 1 missing \(first: rpn_head.rpn_cls.weight\);'):
        PersonSearchInferencer(cfg, tmp_path / 'other.pth', device='cpu')


# -- bad input --------------------------------------------------------------------------------------------------------


def test_config_of_another_task_is_refused(cfg: Config) -> None:
    crops = Config(cfg.to_dict())
    crops.model = dict(type='ReIDModel')
    with pytest.raises(ValueError, match='must be one of person search, got ReIDModel without roi_head; use ReIDInferencer'):
        PersonSearchInferencer(crops)


@pytest.mark.parametrize(('image', 'message'), [
    ('none.png', 'image none.png does not exist'),
    (7, 'an image must be a path or a NumPy array, got int'),
    (np.zeros((4, 4), np.uint8), r'must be a \(H, W, 3\) uint8 array in BGR order, got \(4, 4\) uint8'),
    (np.zeros((4, 4, 3)), r'uint8 array in BGR order, got \(4, 4, 3\) float64'),
])
def test_bad_images_are_named(inferencer: PersonSearchInferencer, image, message: str) -> None:
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=message):
        inferencer.detect(image)


@pytest.mark.parametrize(('bbox', 'message'), [
    ((1, 2, 3), r'query_bbox must have shape \(4,\), got \(3,\)'),
    ((50, 10, 40, 60), r'must be finite \(x1, y1, x2, y2\) with x1 < x2, y1 < y2, got'),
    ((float('nan'), 10, 40, 60), 'must be finite'),
    ((500, 10, 540, 60), r'bbox \[500.0, 10.0, 540.0, 60.0\] lies outside the image of 128 x 96 pixels'),
    ('left', 'query_bbox must be an array of numbers, got str'),
])
def test_bad_query_boxes_are_named(inferencer: PersonSearchInferencer, images: list, bbox, message: str) -> None:
    index = GalleryIndex(images, [], [], [], np.zeros((0, 16)))
    with pytest.raises((TypeError, ValueError), match=message):
        inferencer.search(images[0], bbox, index)


def test_bad_galleries_are_named(inferencer: PersonSearchInferencer, images: list) -> None:
    with pytest.raises(ValueError, match='batch_size must be >= 1, got 0'):
        inferencer.index(images, batch_size=0)
    with pytest.raises(ValueError, match='every image must be listed once, got .*test_1.png repeated'):
        inferencer.index([images[0], images[1], images[1]])


# -- the command ------------------------------------------------------------------------------------------------------


def test_command_prints_and_draws_what_the_inferencer_finds(cfg: Config, checkpoint: str, images: list,
                                                            inferencer: PersonSearchInferencer, tmp_path: Path,
                                                            monkeypatch, capsys) -> None:
    cfg.dump(tmp_path / 'config.py')

    def run(*options: str) -> None:
        monkeypatch.setattr(sys, 'argv', [
            TOOL, str(tmp_path / 'config.py'), checkpoint, '--query', images[0], '--bbox', '5', '10', '40', '80',
            '--topk', '3', '--device', 'cpu', *options])
        runpy.run_path(TOOL, run_name='__main__')

    kept = str(tmp_path / 'index.npz')
    run('--gallery', os.path.dirname(images[0]), '--index', kept, '--out', str(tmp_path / 'out.png'))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    index = GalleryIndex.load(kept)
    assert len(index.images) == 12
    hits = inferencer.search(images[0], (5, 10, 40, 80), index, topk=3)
    assert [line[2] for line in lines] == [hit.image for hit in hits]
    assert [float(line[1]) for line in lines] == pytest.approx([hit.score for hit in hits], abs=6e-4)
    row = RankedQuery(View(images[0], (5, 10, 40, 80)), [Answer(hit.image, hit.bbox, hit.score) for hit in hits])
    drawn = draw_sheet(f'Best answers among {len(index)} people in 12 images', [('', [row])], topk=3)
    assert np.array_equal(cv2.imread(str(tmp_path / 'out.png'))[..., ::-1], drawn)
    run('--gallery', 'nowhere', '--index', kept)  # the index is read, not the folder
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == lines
    with pytest.raises(SystemExit, match='error: gallery folder nowhere does not exist'):
        run('--gallery', 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SystemExit, match=r'error: gallery folder .*empty must hold images \(.bmp, .* got none'):
        run('--gallery', str(tmp_path / 'empty'))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run('--gallery', 'nowhere', '--index', kept, '--out', str(tmp_path / 'out'))
    assert 'error: --out must be a picture (.bmp, .jpeg, .jpg, .png, .webp), got' in capsys.readouterr().err


def test_the_box_that_is_asked_for_counts_whatever_the_protocol(cfg: Config, checkpoint: str, images: list,
                                                                inferencer: PersonSearchInferencer) -> None:
    released = copy.deepcopy(cfg)
    released.model.test_cfg.rcnn.query = 'best_detection'
    boxes = [[20., 20, 60, 90], [30., 25, 70, 95]]
    np.testing.assert_array_equal(PersonSearchInferencer(released, checkpoint, device='cpu').embed(images[0], boxes),
                                  inferencer.embed(images[0], boxes))
