import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.dataset import pseudo_collate
from mmengine.model import ImgDataPreprocessor

from pedsearch.datasets import SearchSceneDataset
from pedsearch.datasets.transforms import PackReIDInputs, PackSearchInputs
from pedsearch.structures import ReIDDataSample


def pipeline(*middle: dict, load_first: bool = True) -> list[dict]:
    steps = [dict(type='LoadSearchAnnotations'), *middle] if load_first else [*middle, dict(type='LoadSearchAnnotations')]
    return [dict(type='LoadImage'), *steps, dict(type='PackSearchInputs')]


def test_training_boxes_follow_the_picture(own_root):
    resize, flip = dict(type='mmdet.Resize', scale=(128, 96), keep_ratio=True), dict(type='mmdet.RandomFlip', prob=1.0)
    data = SearchSceneDataset(own_root, pipeline=pipeline(resize, flip))[1]
    sample = data['data_samples']
    assert data['inputs'].shape == (3, 96, 128)
    assert data['inputs'].dtype == torch.uint8
    # (3, 3, 13, 23) doubled and mirrored at width 128
    assert sample.gt_instances.bboxes[0].tolist() == [128 - 26, 6, 128 - 6, 46]
    assert sample.gt_instances.pids.tolist() == [1, 0]
    assert sample.gt_instances.slots.tolist() == [2, 3]
    assert sample.gt_instances.labels.tolist() == [0, 0]
    assert (sample.img_id, sample.camid, sample.ori_shape, sample.img_shape) == (1, 1, (48, 64), (96, 128))
    assert sample.scale_factor == (2, 2)
    assert sample.flip
    assert 'query_instances' not in sample


def test_test_boxes_stay_in_the_original_picture(own_root):
    steps = pipeline(dict(type='mmdet.Resize', scale=(128, 96), keep_ratio=True), load_first=False)
    dataset = SearchSceneDataset(own_root, 'test', pipeline=steps, test_mode=True)
    samples = [data['data_samples'] for data in dataset]
    assert samples[0].gt_instances.bboxes[0].tolist() == [2, 3, 12, 23]
    assert samples[0].query_instances.bboxes.tolist() == [[2, 3, 12, 23]]
    assert [s.query_instances.query_ids.tolist() for s in samples] == [[0], [1, 2], [3]]


def test_batch_goes_through_the_preprocessor_of_mmdet(own_root):
    resize = dict(type='mmdet.Resize', scale=(100, 75), keep_ratio=True)
    dataset = SearchSceneDataset(own_root, pipeline=pipeline(resize))
    batch = DetDataPreprocessor([0.0] * 3, [1.0] * 3, pad_size_divisor=32)(pseudo_collate([dataset[0], dataset[2]]))
    assert batch['inputs'].shape == (2, 3, 96, 128)
    assert batch['data_samples'][1].batch_input_shape == (96, 128)
    assert isinstance(batch['data_samples'][1].gt_instances.bboxes, torch.Tensor)


def test_ignored_boxes_stand_apart():
    results = dict(
        img=np.zeros((4, 6, 3), np.uint8),
        gt_bboxes=np.arange(8, dtype=np.float32).reshape(2, 4),
        gt_bboxes_labels=np.zeros(2, np.int64),
        gt_pids=np.array([5, -1]),
        gt_slots=np.array([7, -1]),
        gt_ignore_flags=np.array([False, True]),
        seed=9)
    sample = PackSearchInputs()(results)['data_samples']
    assert sample.gt_instances.slots.tolist() == [7]
    assert sample.gt_instances.pids.tolist() == [5]
    assert sample.ignored_instances.pids.tolist() == [-1]
    assert sample.gt_instances.seed == 9
    assert sample.ignored_instances.bboxes.tolist() == [[4, 5, 6, 7]]
    del results['gt_slots']
    assert 'slots' not in PackSearchInputs()(results)['data_samples'].gt_instances


def test_transform_that_loses_identities(own_root):
    crop = dict(type='mmdet.RandomCrop', crop_size=(48, 20), allow_negative_crop=True)
    dataset = SearchSceneDataset(own_root, pipeline=pipeline(crop))
    np.random.seed(1)
    with pytest.raises(ValueError, match='every box needs its label and pid, got lengths'):
        [dataset[index % 3] for index in range(60)]


CROP = dict(sample_idx=4, img_path='a.jpg', pid=2, camid=-1, label=0, domain=1, seed=77)


def test_crop_with_its_metainfo():
    img = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    packed = PackReIDInputs()(dict(img=img[:, ::-1], img_shape=(2, 4), flip=True, **CROP))  # a flipped view
    assert packed['inputs'].dtype == torch.uint8
    assert np.array_equal(packed['inputs'].numpy().transpose(1, 2, 0), img[:, ::-1])
    assert isinstance(packed['data_samples'], ReIDDataSample)
    assert packed['data_samples'].to_dict() == CROP
    searched = PackReIDInputs()(dict(img=img, sample_idx=1, is_query=True))['data_samples']
    assert searched.to_dict() == dict(sample_idx=1, is_query=True)


def test_crops_go_through_the_preprocessor_of_mmengine():
    mean, std = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 4, 3), dtype=np.uint8)
    packed = [PackReIDInputs()(dict(img=img, **CROP)) for img in images]
    batch = ImgDataPreprocessor(mean, std, bgr_to_rgb=True)(pseudo_collate(packed))
    expected = (images[..., ::-1] - np.array(mean)) / std
    np.testing.assert_allclose(batch['inputs'].numpy(), expected.transpose(0, 3, 1, 2), atol=1e-5)
    assert [sample.pid for sample in batch['data_samples']] == [2, 2]


@pytest.mark.parametrize('shape', [(8, 4), (8, 4, 1), (8, 4, 4)])
def test_crop_without_three_channels(shape):
    with pytest.raises(ValueError, match=r'img must have shape \(H, W, 3\), got \(8, 4.*read it in colour'):
        PackReIDInputs()(dict(img=np.zeros(shape, np.uint8)))
