import numpy as np
import pytest
import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.dataset import pseudo_collate

from pedsearch.datasets import SearchSceneDataset
from pedsearch.datasets.transforms import PackSearchInputs


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
        gt_ignore_flags=np.array([False, True]),
        seed=9)
    sample = PackSearchInputs()(results)['data_samples']
    assert sample.gt_instances.pids.tolist() == [5]
    assert sample.ignored_instances.pids.tolist() == [-1]
    assert sample.gt_instances.seed == 9
    assert sample.ignored_instances.bboxes.tolist() == [[4, 5, 6, 7]]


def test_transform_that_loses_identities(own_root):
    crop = dict(type='mmdet.RandomCrop', crop_size=(48, 20), allow_negative_crop=True)
    dataset = SearchSceneDataset(own_root, pipeline=pipeline(crop))
    np.random.seed(1)
    with pytest.raises(ValueError, match='every box needs its label and pid, got lengths'):
        [dataset[index % 3] for index in range(60)]
