"""Oracles: the annotations that were written."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image

from pedsearch.datasets import PedestrianMultiModalDataset
from pedsearch.datasets.multimodal import AttributeSchema, Caption, DescribedImage, write_annotations
from pedsearch.datasets.seeding import SeededIndex

LOOK = AttributeSchema(('hat', 'red'))


@pytest.fixture
def root(tmp_path):
    images = [
        DescribedImage(5, 'p/0.jpg', 'train', 0, 0, (Caption('a hat'), Caption('bag on the left')), dict(look=[1, 0])),
        DescribedImage(6, 'p/1.jpg', 'train', 1, 1, (Caption('no hat'), ), dict(look=[0, -1])),
        DescribedImage(7, 'p/2.jpg', 'train', 1, 0)]
    (tmp_path / 'p').mkdir()
    for number in range(3):
        Image.fromarray(np.full((40, 20, 3), 60 * number, np.uint8)).save(tmp_path / f'p/{number}.jpg')
    write_annotations(tmp_path, 'toy', images, dict(look=LOOK))
    return str(tmp_path)


def test_samples_are_what_was_written(root):
    dataset = PedestrianMultiModalDataset(root, 'toy', schema='look')
    infos = [dataset.get_data_info(index) for index in range(3)]
    assert [info['image_id'] for info in infos] == [5, 6, 7]
    assert [info['attributes'].tolist() for info in infos] == [[1, 0], [0, -1], [-1, -1]]
    assert [len(info['captions']) for info in infos] == [2, 1, 0]
    assert dataset.pids.tolist() == [0, 1, 1]
    assert dataset.num_ids == 2
    np.testing.assert_allclose(dataset.positive_rates, [.5, 0])
    assert dataset.all_captions == ['a hat', 'bag on the left', 'no hat']
    assert dataset.schema == LOOK


def test_unknown_attributes_can_be_given_as_absent(root):
    dataset = PedestrianMultiModalDataset(root, 'toy', schema='look', unknown_as_negative=True)
    assert [dataset.get_data_info(index)['attributes'].tolist() for index in range(3)] == [[1, 0], [0, 0], [-1, -1]]
    np.testing.assert_allclose(dataset.positive_rates, [1 / 2, 0])


def test_the_metric_learns_which_attributes_count(tmp_path, root):
    assert 'eval_index' not in PedestrianMultiModalDataset(root, 'toy', schema='look').metainfo
    image = DescribedImage(1, 'p/0.jpg', 'train', attrs=dict(look=[1, 0]))
    write_annotations(tmp_path, 'part', [image], dict(look=AttributeSchema(('hat', 'red'), eval_index=(1, ))))
    assert PedestrianMultiModalDataset(root, 'part', schema='look').metainfo['eval_index'] == [1]


def test_the_first_identities_alone(tmp_path, root):
    assert PedestrianMultiModalDataset(root, 'toy', max_ids=1).pids.tolist() == [0]
    assert PedestrianMultiModalDataset(root, 'toy', max_ids=9).pids.tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match='max_ids must be >= 1, got 0'):
        PedestrianMultiModalDataset(root, 'toy', max_ids=0)
    write_annotations(tmp_path, 'nobody', [DescribedImage(1, 'p/0.jpg', 'train')])
    with pytest.raises(ValueError, match='max_ids=2 needs images with identity, got none in 1 of nobody.train'):
        PedestrianMultiModalDataset(root, 'nobody', max_ids=2)


def test_images_without_caption_can_be_left_out(root):
    assert len(PedestrianMultiModalDataset(root, 'toy', needs_captions=True)) == 2
    assert 'attributes' not in PedestrianMultiModalDataset(root, 'toy').get_data_info(0)


PIPELINE = [
    dict(type='LoadImage'), dict(type='mmpretrain.Resize', scale=(20, 40)),
    dict(type='PhotoViews', pipelines=[
        [dict(type='mmpretrain.RandomFlip', prob=1., direction='horizontal')],
        [dict(type='mmpretrain.RandomCrop', crop_size=(40, 20), padding=8, pad_val=255)]]),
    dict(type='PickCaption'), dict(type='PackMultiModalInputs')]


def test_a_seed_decides_views_and_caption(root):
    dataset = PedestrianMultiModalDataset(root, 'toy', schema='look', pipeline=PIPELINE)
    samples = [dataset[SeededIndex(0, seed)] for seed in (*range(8), 0)]
    assert {sample['data_samples'].caption for sample in samples} == {'a hat', 'bag on the right'}
    assert all(torch.equal(a, b) for a, b in zip(samples[0]['inputs'], samples[-1]['inputs']))
    assert any(not torch.equal(samples[0]['inputs'][1], other['inputs'][1]) for other in samples[1:-1])
    assert samples[0]['data_samples'].attributes.tolist() == [1, 0]
    batch = pseudo_collate(samples[:2])
    assert [len(view) for view in batch['inputs']] == [2, 2]  # view after view
    assert batch['inputs'][1][0].shape == (3, 40, 20)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(schema='upar'), "attribute schema must be one of look in .*, got 'upar'"),
    (dict(split='gallery'), "split must be 'train' or 'val' or 'test', got 'gallery'"),
    (dict(img_root='nowhere'), 'image folder nowhere does not exist')])
def test_bad_settings(root, settings, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        PedestrianMultiModalDataset(root, 'toy', **settings)


def test_a_split_without_captions_cannot_be_described(tmp_path, root):
    write_annotations(tmp_path, 'bare', [DescribedImage(0, 'p/0.jpg', 'train')])
    with pytest.raises(ValueError, match='must have captions, got none in 1; write some with'):
        PedestrianMultiModalDataset(root, 'bare', needs_captions=True)
