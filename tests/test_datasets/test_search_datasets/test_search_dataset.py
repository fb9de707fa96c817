import gzip
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from pedsearch.datasets import CUHKSYSUDataset, PRWDataset, SearchSceneDataset
from pedsearch.datasets.search_datasets.search_dataset import (
    Scene,
    find_targets,
    locate_people,
    make_contiguous,
    restrict_protocol,
)
from pedsearch.datasets.seeding import SeededIndex
from pedsearch.structures import UNLABELED
from tests.scene_files import write_block_scenes


def random_scenes(seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [
        Scene(f'{i}.jpg', rng.random((n, 4), dtype=np.float32), rng.integers(UNLABELED, 6, n) * 3 // 3)
        for i, n in enumerate(rng.integers(0, 5, 12))
    ]


def test_targets_equal_a_loop():
    scenes = random_scenes()
    places = locate_people(scenes)
    gallery = np.array([1, 4, 4, 7, 9], dtype=np.int32)
    for pid in range(6):
        for listed, allowed in ((None, set(range(12)) - {4}), (gallery, set(gallery.tolist()))):
            expected = {
                i: [box.tolist() for box, p in zip(scene.bboxes, scene.pids) if p == pid]
                for i, scene in enumerate(scenes) if i in allowed and pid in scene.pids
            }
            found = find_targets(places.get(pid, {}), 4, listed)
            assert {i: boxes.tolist() for i, boxes in found.items()} == expected
    assert UNLABELED not in places


def test_ignored_boxes_are_nobodys_target():
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    scene = Scene('a', boxes, np.array([4, 4, 9]), ignore_flags=np.array([True, False, True]))
    assert {pid: {k: b.tolist() for k, b in images.items()} for pid, images in locate_people([scene]).items()} == {
        4: {0: [[4, 5, 6, 7]]}}


def test_contiguous_ids_keep_who_is_who():
    scenes = [Scene('a', np.zeros((4, 4)), np.array([932, UNLABELED, 5, 40])), Scene('b', np.zeros((1, 4)), np.array([40]))]
    assert make_contiguous(scenes) == {5: 0, 40: 1, 932: 2, UNLABELED: UNLABELED}
    assert [scene.pids.tolist() for scene in scenes] == [[2, UNLABELED, 0, 1], [1]]


def test_restricted_protocol():
    query = dict(img_id=3, targets={1: 'a', 2: 'b'}, gallery=np.array([1, 5, 2, 1]))
    (kept, ) = restrict_protocol([query], {3, 1, 5})
    assert kept['targets'] == {1: 'a'}
    assert kept['gallery'].tolist() == [1, 5, 1]
    assert restrict_protocol([query], {1, 2}) == restrict_protocol([query], {3, 5}) == []


def test_subset_for_a_quick_try(prw_root):
    dataset = PRWDataset(prw_root, 'test', indices=3)
    assert len(dataset) == 3
    queries = dataset.protocols['all']
    assert [(q['pid'], list(q['targets']), q['query_id']) for q in queries] == [(479, [1], 0), (500, [2], 1)]
    assert [q['pid'] for q in dataset.protocols['cross_camera']] == [500]
    assert [len(dataset.get_data_info(i)['queries']) for i in range(3)] == [2, 0, 0]


@pytest.mark.parametrize(('indices', 'message'), [
    ([1, 3], r"PRWDataset found no query with a target in .*prw for protocol 'all'; a test split, also one cut down by "
             'indices, needs at least one query whose person is in another image of its gallery'), (1, 'found no query')])
def test_subset_without_queries(prw_root, indices, message):
    with pytest.raises(ValueError, match=message):
        PRWDataset(prw_root, 'test', indices=indices)


def test_only_the_first_protocol_must_have_queries(prw_root, warnings_logged):
    dataset = PRWDataset(prw_root, 'test', indices=2)
    assert list(dataset.protocols) == list(dataset.metainfo['protocols']) == ['all']
    assert warnings_logged == ['PRWDataset (test): protocols without any query left out: cross_camera']


def test_empty_images_stay_unless_filtered(own_root):
    path = Path(own_root, 'annotations/train.json')
    path.write_text(path.read_text().replace('"image_id": 0', '"image_id": 2'))
    assert len(SearchSceneDataset(own_root)) == 3
    assert SearchSceneDataset(own_root).get_data_info(0)['instances'] == []
    assert len(SearchSceneDataset(own_root, filter_cfg=dict(filter_empty_gt=True))) == 2


def test_missing_images_and_folders(own_root):
    os.remove(f'{own_root}/images/train_1.jpg')
    with pytest.raises(FileNotFoundError, match=r'1 of 3 images are missing in .*images, first: train_1\.jpg; complete'):
        SearchSceneDataset(own_root)
    assert len(SearchSceneDataset(own_root, check_files=False)) == 3
    with pytest.raises(FileNotFoundError, match=r'image folder .*pictures does not exist; check data_root='):
        SearchSceneDataset(own_root, data_prefix=dict(img_path='pictures'))


@pytest.mark.parametrize('dataset_type', [CUHKSYSUDataset, PRWDataset, SearchSceneDataset])
@pytest.mark.parametrize('split', ['train', 'test'])
def test_empty_folder(tmp_path, dataset_type, split):
    with pytest.raises(FileNotFoundError, match='does not exist; check data_root'):
        dataset_type(str(tmp_path), split)


@pytest.mark.parametrize('data_root', [None, 3])
def test_data_root_is_a_path(own_root, data_root):
    for dataset_type in (CUHKSYSUDataset, PRWDataset, SearchSceneDataset):
        with pytest.raises(TypeError, match=f'data_root must be the path of a folder, got {data_root}'):
            dataset_type(data_root)
    assert len(SearchSceneDataset(Path(own_root))) == 3


def test_unknown_split(own_root):
    with pytest.raises(ValueError, match=r"split must be 'train' or 'test', got 'val'"):
        SearchSceneDataset(own_root, 'val')


def test_pipeline_that_rejects_an_image(own_root):
    dataset = SearchSceneDataset(own_root, pipeline=[lambda results: None])
    with pytest.raises(ValueError, match=r'the pipeline returned None for .*train_0\.jpg; remove the transform'):
        dataset[0]


def test_sample_carries_its_seed(own_root):
    dataset = SearchSceneDataset(own_root, pipeline=[lambda results: (results.get('seed'), np.random.rand())])
    assert dataset[SeededIndex(1, 5)] == dataset[SeededIndex(2, 5)] != dataset[SeededIndex(1, 6)]
    assert dataset[SeededIndex(1, 5)][0] == 5
    assert dataset[1][0] is None


def test_metainfo_is_cheap_and_complete(prw_root):
    dataset = PRWDataset(prw_root, 'test')
    assert dataset.metainfo['protocols'] is dataset.protocols
    assert dataset.metainfo['classes'] == ('person', )
    assert 'protocols' not in PRWDataset(prw_root).metainfo
    assert len(pickle.loads(pickle.dumps(dataset)).protocols['all']) == 2


def test_lazy_dataset_fills_itself(prw_root):
    dataset = PRWDataset(prw_root, 'test', lazy_init=True)
    assert (dataset.num_boxes, dataset.num_ids, len(dataset.protocols['all'])) == (7, 2, 2)


def plain_slots(dataset) -> list[tuple[int, int]]:
    """(place of the image, pid) of each box of a training set that is not ignored, from its samples alone."""
    slots = []
    for place in range(len(dataset)):
        info = dataset.get_data_info(place)
        assert info['first_slot'] == len(slots)
        for instance in info['instances']:
            if not instance['ignore_flag']:
                slots.append((place, instance['pid']))
    return slots


@pytest.fixture
def block_root(tmp_path) -> Path:
    """Eleven images, every fourth without people; every fifth box is to be ignored."""
    root = write_block_scenes(tmp_path / 'blocks', num_train=11)
    path = root / 'annotations/train.json'
    content = json.loads(path.read_text())
    for index, annotation in enumerate(content['annotations']):
        annotation['iscrowd'] = int(index % 5 == 2)
    path.write_text(json.dumps(content))
    return root


@pytest.mark.parametrize('kwargs', [{}, dict(filter_cfg=dict(filter_empty_gt=True)), dict(indices=[9, 2, 4, 3]),
                                    dict(filter_cfg=dict(filter_empty_gt=True), indices=5, serialize_data=False),
                                    dict(lazy_init=True)])
def test_slots_count_the_boxes_of_the_samples(block_root, kwargs):
    dataset = SearchSceneDataset(block_root, **kwargs)
    if kwargs.get('lazy_init'):
        assert dataset.num_slots == 12
    expected = plain_slots(dataset)
    assert dataset.num_slots == len(expected) > 0
    assert list(zip(dataset.scene_ids.tolist(), dataset.pids.tolist())) == expected
    assert dataset.scene_ids.dtype == dataset.pids.dtype == np.int64
    assert dataset.get_data_info(-1)['first_slot'] == dataset.get_data_info(len(dataset) - 1)['first_slot']


def test_slots_of_subsets(block_root):
    dataset = SearchSceneDataset(block_root)
    before = dataset.scene_ids.tolist()
    subset = dataset.get_subset([7, 0, 3])
    assert list(zip(subset.scene_ids.tolist(), subset.pids.tolist())) == plain_slots(subset)
    assert subset.num_slots == before.count(7) + before.count(3)
    assert dataset.scene_ids.tolist() == before
    dataset.get_subset_(4)
    assert dataset.scene_ids.tolist() == [place for place in before if place < 4]


def test_without_boxes_there_are_no_slots(block_root):
    dataset = SearchSceneDataset(block_root, indices=[0, 4])
    assert (dataset.num_slots, dataset.pids.shape, dataset.scene_ids.dtype) == (0, (0, ), np.int64)
    assert dataset.get_data_info(1)['first_slot'] == 0


def test_slots_of_the_public_sets(cuhk_root, prw_root):
    for dataset, scenes in ((CUHKSYSUDataset(cuhk_root), [0, 0, 1, 1]), (PRWDataset(prw_root), [0, 0, 1, 1])):
        assert dataset.scene_ids.tolist() == scenes
        assert list(zip(dataset.scene_ids.tolist(), dataset.pids.tolist())) == plain_slots(dataset)
        assert (dataset.pids == UNLABELED).sum() == 1


def test_slots_belong_to_training(prw_root):
    dataset = PRWDataset(prw_root, 'test')
    assert 'first_slot' not in dataset.get_data_info(0)
    for name, column in (('pids', 'pids'), ('scene_ids', 'scene_ids'), ('num_slots', 'pids')):
        with pytest.raises(ValueError, match=f"{column} belongs to the train split, got split='test'; pass split='train'"):
            getattr(dataset, name)


TEST_PIPELINE = [dict(type='LoadImage'), dict(type='mmdet.Resize', scale=(256, 192), keep_ratio=True),
                 dict(type='LoadSearchAnnotations'), dict(type='PackSearchInputs')]


def test_extraction_sees_the_boxes_of_the_original_images(block_root):
    """The pipeline of testing on training images: slots 0, 1, ... in reading order, the ignored boxes apart."""
    dataset = SearchSceneDataset(block_root, pipeline=[lambda info: info])
    view = dataset.with_pipeline(TEST_PIPELINE)
    samples = [view[index]['data_samples'] for index in range(len(view))]
    assert [slot for sample in samples for slot in sample.gt_instances.slots.tolist()] == list(range(dataset.num_slots))
    annotated = [[instance['bbox'] for instance in dataset[index]['instances'] if not instance['ignore_flag']]
                 for index in range(len(dataset))]
    assert [sample.gt_instances.bboxes.tolist() for sample in samples] == annotated
    assert all(sample.scale_factor == (2, 2) for sample in samples)
    assert not any('query_instances' in sample for sample in samples)
    assert sum(len(sample.ignored_instances) for sample in samples) == 15 - dataset.num_slots
    assert 'instances' in dataset[0], 'the dataset itself keeps its pipeline'


def test_slots_of_prw(real_data, tmp_path):
    """As many slots as the training frames have boxes, those of a frame in a row."""
    (tmp_path / 'annotations').mkdir()
    with gzip.open(real_data / 'prw_mini/train_pid_full.json.gz') as file:
        (tmp_path / 'annotations/train.json').write_bytes(file.read())
    dataset = SearchSceneDataset(tmp_path, check_files=False)
    assert (len(dataset), dataset.num_slots, int((dataset.pids >= 0).sum())) == (5704, 18048, 14907)
    assert np.bincount(dataset.scene_ids).max() == 14
    pairs = np.stack([dataset.scene_ids, dataset.pids])[:, dataset.pids >= 0]
    _, counts = np.unique(pairs, axis=1, return_counts=True)
    assert len(np.unique(np.unique(pairs, axis=1)[0, counts > 1])) == 10  # frames with one identity twice
