"""Oracles: the model itself on crops cut by hand."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from pedsearch.apis import GalleryIndex, TextSearchInferencer
from pedsearch.apis.text_search_inferencer import cut_people
from pedsearch.models.pretrain import train_tokenizer
from tests.test_models.test_pretrain.described_batches import TEXTS

from .text_model_files import write_text_model


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A text model, and three scenes."""
    folder = write_text_model(tmp_path_factory.mktemp('text'))
    rng = np.random.default_rng(0)
    for name in 'abc':
        cv2.imwrite(str(folder / f'{name}.png'), rng.integers(0, 255, (90, 120, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope='module')
def inferencer(folder) -> TextSearchInferencer:
    return TextSearchInferencer(folder / 'config.py', folder / 'weights.pth', device='cpu', batch_size=2)


class Detector:
    """Finds the same two people in the first image, nobody in the second, one in the third."""

    bboxes = np.array([[10, 5, 40, 80], [50.5, 20, 119, 89.5], [0, 0, 30, 60]], np.float32)

    def index(self, images) -> GalleryIndex:
        return GalleryIndex([str(image) for image in images], [0, 0, 2], self.bboxes, [.9, .8, .7], np.zeros((3, 4)))


def test_people_of_scenes_are_embedded_by_their_crops(folder, inferencer):
    names = [str(folder / f'{name}.png') for name in 'abc']
    index = inferencer.index_scenes(Detector(), names, margin=0)
    first, last = cv2.imread(names[0]), cv2.imread(names[2])
    crops = [first[5:80, 10:40], first[20:90, 50:119], last[0:60, 0:30]]
    with torch.no_grad():
        images = torch.stack([torch.from_numpy(cv2.resize(crop, (32, 64))) for crop in crops]).permute(0, 3, 1, 2)
        expected = inferencer.model.extract_feat((images.flip(1).float() - 120) / 60)
    np.testing.assert_allclose(index.embeds, expected, atol=1e-5)
    np.testing.assert_array_equal(index.bboxes, Detector.bboxes)
    assert index.images == names
    assert index.image_inds.tolist() == [0, 0, 2]


def test_known_boxes_are_embedded_as_found_ones_are(folder, inferencer):
    names = [str(folder / f'{name}.png') for name in 'abc']
    found = inferencer.index_scenes(Detector(), iter(names))
    bboxes = [Detector.bboxes[:2], [], Detector.bboxes[2:]]
    known = inferencer.index_people(names, bboxes)
    np.testing.assert_array_equal(known.embeds, found.embeds)
    np.testing.assert_array_equal(known.bboxes, found.bboxes)
    assert known.image_inds.tolist() == [0, 0, 2]
    assert known.scores.tolist() == [1, 1, 1]
    assert found.scores == pytest.approx([.9, .8, .7])
    with pytest.raises(ValueError, match='there must be boxes for each of 3 images, got 2'):
        inferencer.index_people(names, bboxes[:2])


def test_a_sentence_ranks_by_cosine(folder, inferencer):
    index = inferencer.index_scenes(Detector(), [str(folder / f'{name}.png') for name in 'abc'])
    hits = inferencer.search_text(TEXTS[3], index, topk=2)
    sims = index.embeds @ inferencer.embed_text([TEXTS[3]])[0]
    assert [hit.score for hit in hits] == pytest.approx(sorted(sims, reverse=True)[:2])
    assert hits[0].bbox == tuple(Detector.bboxes[sims.argmax()].tolist())
    assert np.linalg.norm(inferencer.embed_text(TEXTS[:3]), axis=1) == pytest.approx(1)


def test_scenes_without_people(folder, inferencer):
    class Nobody:
        def index(self, images):
            return GalleryIndex(images, [], np.zeros((0, 4)), [], np.zeros((0, 4)))

    index = inferencer.index_scenes(Nobody(), [str(folder / 'a.png')])
    assert len(index) == 0
    assert inferencer.search_text(TEXTS[0], index) == []


def test_crops_are_indexed_as_in_re_identification(folder, inferencer):
    index = inferencer.index([folder / 'a.png', folder / 'b.png'])
    assert index.embeds.shape == (2, 8)
    assert inferencer.search_text(TEXTS[0], index, topk=1)[0].image.endswith('.png')


def test_crops_grow_within_the_image():
    image = np.arange(100 * 50 * 3).reshape(100, 50, 3)
    whole, edge, thin = cut_people(image, np.array([[10, 20, 30, 60], [40, 90, 60, 120], [49.9, 10, 49.95, 20]]), 0.1)
    np.testing.assert_array_equal(whole, image[16:64, 8:32])
    np.testing.assert_array_equal(edge, image[87:100, 38:50])
    assert thin.shape == (12, 1, 3)


def test_bad_input(folder, inferencer):
    with pytest.raises(ValueError, match='search by sentences needs a checkpoint, got none'):
        TextSearchInferencer(folder / 'config.py', device='cpu')
    cfg = Config.fromfile(folder / 'config.py')
    cfg.model.text_encoder = None
    with pytest.raises(ValueError, match='the config must be one with a text encoder, got ValPat'):
        TextSearchInferencer(cfg, folder / 'weights.pth', device='cpu')
    with pytest.raises(ValueError, match=r'margin must be >= 0, got -1'):
        inferencer.index_scenes(Detector(), ['a.png', 'b.png', 'c.png'], margin=-1)
    train_tokenizer(['another word']).save(folder / 'other.json')
    cfg = Config.fromfile(folder / 'config.py')
    cfg.model.tokenizer.file = str(folder / 'other.json')
    with pytest.raises(ValueError, match='does not fit the model'):
        TextSearchInferencer(cfg, folder / 'weights.pth', device='cpu')
