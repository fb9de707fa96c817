import io
import os
import pickle
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader

from pedsearch.datasets import EpochSampler, ReIDDataset
from pedsearch.datasets.reid_datasets import Crop
from pedsearch.datasets.seeding import SeededIndex

from .crop_files import write_pictures

TRAIN = [Crop('b/3.jpg', 40, 2), Crop('a/2.jpg', -1, 1), Crop('b/1.jpg', 7, 1), Crop('a/10.jpg', 40, -1),
         Crop('c/1.jpg', 9, 1)]
TEST = [Crop('g/2.jpg', 9, 1), Crop('q/2.jpg', 9, 0, True), Crop('g/1.jpg', -1, 1), Crop('q/1.jpg', 4, 1, True),
        Crop('g/3.jpg', 4, 0), Crop('g/0.jpg', 5, 0)]


class ListedDataset(ReIDDataset):
    """Crops as the test lists them."""

    def __init__(self, *args, crops: list[Crop], **kwargs) -> None:
        self.crops = crops
        super().__init__(*args, **kwargs)

    def load_crops(self) -> list[Crop]:
        return list(self.crops)


@pytest.fixture
def root(tmp_path) -> str:
    return str(write_pictures(tmp_path, [crop.path for crop in TRAIN + TEST]))


def train_set(root: str, **kwargs) -> ListedDataset:
    return ListedDataset(root, crops=TRAIN, **kwargs)


def test_training_samples(root):
    dataset = train_set(root)
    expected = [('a/10.jpg', 2, -1), ('a/2.jpg', -1, 1), ('b/1.jpg', 0, 1), ('b/3.jpg', 2, 2), ('c/1.jpg', 1, 1)]
    assert [dataset.get_data_info(index) for index in range(5)] == [
        dict(name=path, img_path=f'{root}/{path}', pid=pid, camid=camid, sample_idx=index, label=pid)
        for index, (path, pid, camid) in enumerate(expected)]
    assert dataset.pids.tolist() == dataset.labels.tolist() == [2, -1, 0, 2, 1]
    assert dataset.camids.tolist() == [-1, 1, 1, 2, 1]
    assert dataset.pids.dtype == dataset.labels.dtype == dataset.camids.dtype == np.int64
    assert (dataset.num_ids, dataset.num_cameras) == (3, 2)


def test_test_samples(root):
    dataset = ListedDataset(root, 'test', crops=TEST)
    infos = [dataset.get_data_info(index) for index in range(6)]
    assert [os.path.relpath(info['img_path'], root) for info in infos] == [
        'q/1.jpg', 'q/2.jpg', 'g/0.jpg', 'g/1.jpg', 'g/2.jpg', 'g/3.jpg']
    assert [info['is_query'] for info in infos] == [True, True, False, False, False, False]
    assert dataset.pids.tolist() == [4, 9, 5, -1, 9, 4]  # as released
    assert all('label' not in info for info in infos)
    assert (dataset.num_ids, dataset.num_cameras) == (2, 2)


def test_unlabelled_training_set(root):
    dataset = ListedDataset(root, crops=[Crop(crop.path) for crop in TRAIN])
    assert (dataset.num_ids, dataset.num_cameras) == (0, 0)
    assert dataset.labels.tolist() == [-1] * 5


def test_pseudo_labels(root):
    dataset = train_set(root)
    before = dataset.labels
    for labels in (np.array([5, -1, 5, 0, 0]), torch.tensor([1, 0, -1, 1, 1], dtype=torch.int32), [0, 1, 2, 3, 4]):
        dataset.set_pseudo_labels(labels)
        assert dataset.labels.tolist() == list(labels) == [dataset.get_data_info(i)['label'] for i in range(5)]
    assert dataset.pids.tolist() == [2, -1, 0, 2, 1] == before.tolist()


@pytest.mark.parametrize(('labels', 'error', 'message'), [
    ([0, 1], ValueError, r'labels must have shape \(5,\), one per training image, got \(2,\); cluster the features'),
    ([[0] * 5], ValueError, r'got \(1, 5\)'), ([0., 1, 2, 3, 4], TypeError, 'labels must be integers, got torch.float32'),
    ([True] * 5, TypeError, 'got torch.bool'), ([0, 1, -2, 0, 0], ValueError, r'must be -1 \(left out\) or from 0, got -2')])
def test_labels_that_are_none(root, labels, error, message):
    dataset = train_set(root)
    with pytest.raises(error, match=message):
        dataset.set_pseudo_labels(labels)
    assert dataset.labels.tolist() == dataset.pids.tolist()


def test_labels_belong_to_training(root):
    dataset = ListedDataset(root, 'test', crops=TEST)
    for use in (lambda: dataset.labels, lambda: dataset.set_pseudo_labels([0] * 6)):
        with pytest.raises(ValueError, match=r"belongs to the train split, got split='test'; pass split='train'"):
            use()


def test_workers_that_live_on_see_new_labels(root):
    dataset = train_set(root)
    loader = DataLoader(dataset, 2, num_workers=1, persistent_workers=True, collate_fn=pseudo_collate,
                        multiprocessing_context='fork')

    def labels_seen() -> list[int]:
        return [int(label) for batch in loader for label in batch['label']]

    assert labels_seen() == [2, -1, 0, 2, 1]
    dataset.set_pseudo_labels([4, 3, 2, 1, 0])
    assert labels_seen() == [4, 3, 2, 1, 0]


def test_spawned_workers_share_the_labels(root):
    dataset = train_set(root)
    sent = pickle.loads(ForkingPickler.dumps(dataset))  # how a spawned worker gets it
    dataset.set_pseudo_labels([4, 3, 2, 1, 0])
    assert sent.labels.tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize('serialize', [True, False])
def test_another_pipeline_sees_the_same_samples(root, serialize):
    dataset = train_set(root, pipeline=[lambda info: 'a'], serialize_data=serialize, lazy_init=True)
    view = dataset.with_pipeline([dict(type='LoadImage'), dict(type='PackReIDInputs')])
    assert dataset[0] == 'a'
    sample = view[3]
    assert tuple(sample['inputs'].shape) == (3, 8, 4)
    assert (sample['data_samples'].sample_idx, sample['data_samples'].label) == (3, 2)
    dataset.set_pseudo_labels([0, 0, 0, 6, 0])
    assert view[3]['data_samples'].label == 6
    view.set_pseudo_labels([0, 0, 0, 5, 0])
    assert dataset.get_data_info(3)['label'] == 5


def test_sample_carries_its_seed(root):
    dataset = train_set(root, pipeline=[lambda info: (info.get('seed'), np.random.rand(), torch.rand(1).item())])
    assert dataset[SeededIndex(1, 5)] == dataset[SeededIndex(2, 5)] != dataset[SeededIndex(1, 6)]
    assert dataset[SeededIndex(1, 5)][0] == 5
    assert dataset[1][0] is None
    (first, *_) = EpochSampler(dataset, shuffle=False, seed=3)
    assert dataset[first][0] == first.seed


def test_first_identities(root):
    dataset = train_set(root, max_ids=2)
    assert [(os.path.relpath(dataset.get_data_info(i)['img_path'], root), dataset.pids[i]) for i in range(2)] == [
        ('b/1.jpg', 0), ('c/1.jpg', 1)]
    assert (len(dataset), dataset.num_ids) == (2, 2)
    test = ListedDataset(root, 'test', crops=TEST, max_ids=1)
    assert test.pids.tolist() == [4, 4]  # neither bystanders nor people without identity
    assert len(train_set(root, max_ids=9)) == 4
    with pytest.raises(ValueError, match='max_ids must be at least 1, got 0; leave it out to keep all'):
        train_set(root, max_ids=0)
    with pytest.raises(ValueError, match='max_ids=1 needs labelled images, got none in .*; use indices'):
        ListedDataset(root, crops=[Crop('a/2.jpg')], max_ids=1)


def test_subsets_keep_samples_and_labels_together(root):
    listed = [3, 0]
    in_place = train_set(root)
    in_place.get_subset_(listed)
    for dataset in (train_set(root, indices=listed), train_set(root).get_subset(listed), in_place):
        assert len(dataset) == 2
        assert dataset.camids.tolist() == [2, -1]
        assert dataset.labels.tolist() == [2, 2] == [dataset.get_data_info(i)['label'] for i in range(2)]
        dataset.set_pseudo_labels([8, 9])
        assert dataset.get_data_info(-1)['label'] == 9
    whole = train_set(root)
    whole.get_subset(listed).set_pseudo_labels([8, 9])
    assert whole.labels.tolist() == [2, -1, 0, 2, 1]


def test_pickled(root):
    dataset = train_set(root)
    dataset.set_pseudo_labels([4, 3, 2, 1, 0])
    buffer = io.BytesIO()
    pickle.dump(dataset, buffer)
    assert pickle.loads(buffer.getvalue()).labels.tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(('crops', 'lines'), [
    (TEST, []),
    ([*TEST, Crop('q/3.jpg', 8, 0, True), Crop('q/4.jpg', 8, 1, True)],
     ['2 queries will be skipped, their identity is absent from the gallery (first: {root}/q/3.jpg)']),
    ([Crop(crop.path, crop.pid, 3, crop.is_query) for crop in TEST],
     ['all images are from one camera, a search across cameras would find no match; set cross_camera=False in the '
      'ReIDMetric']),
    ([*TEST, Crop('g/9.jpg', 4)],
     ['1 images without camera; annotate it or set cross_camera=False in the ReIDMetric'])])
def test_what_an_evaluation_would_miss(root, warnings_logged, crops, lines):
    write_pictures(Path(root), [crop.path for crop in crops])
    assert len(ListedDataset(root, 'test', crops=crops)) == len(crops)
    assert warnings_logged == [f'ListedDataset (test): {line.format(root=root)}' for line in lines]


@pytest.mark.parametrize(('crops', 'message'), [
    ([crop for crop in TEST if not crop.is_query], 'ListedDataset found no query image under'),
    ([crop for crop in TEST if crop.is_query], 'ListedDataset found no gallery image under'),
    ([*TEST, Crop('g/3.jpg', 4, 0)], r'every image must be listed once, got g/3\.jpg repeated in the gallery split'),
    ([*TEST, Crop('q/3.jpg', -1, 0, True)],
     r'every query must have an identity, got 1 without, first: q/3\.jpg; label them or move them to the gallery')])
def test_test_splits_that_are_none(root, crops, message):
    with pytest.raises(ValueError, match=message):
        ListedDataset(root, 'test', crops=crops, check_files=False)


@pytest.mark.parametrize(('indices', 'numbers'), [(2, '2 and 0'), (-3, '0 and 3')])
def test_indices_that_leave_nothing_to_search(root, indices, numbers):
    with pytest.raises(ValueError, match=f'needs queries and gallery, got {numbers} images; use max_ids'):
        ListedDataset(root, 'test', crops=TEST, indices=indices)


def test_missing_files(root):
    os.remove(f'{root}/b/3.jpg')
    with pytest.raises(FileNotFoundError, match=r'1 of 5 images are missing in .*, first: b/3\.jpg; complete the copy'):
        train_set(root)
    dataset = train_set(root, check_files=False, pipeline=[dict(type='LoadImage')])
    with pytest.raises(FileNotFoundError, match=r'image .*b/3\.jpg does not exist'):
        dataset[3]
    with pytest.raises(FileNotFoundError, match='folder .*gone does not exist; check data_root'):
        train_set(f'{root}/gone')


def test_arguments(root):
    with pytest.raises(ValueError, match="split must be 'train' or 'test', got 'val'"):
        train_set(root, split='val')
    with pytest.raises(TypeError, match='data_root must be the path of a folder, got None'):
        train_set(None)
    with pytest.raises(NotImplementedError, match=r'ReIDDataset must implement load_crops\(\)'):
        ReIDDataset(root)
