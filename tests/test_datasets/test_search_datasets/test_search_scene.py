import json
from pathlib import Path

import numpy as np
import pytest

from pedsearch.datasets import SearchSceneDataset
from pedsearch.datasets.search_datasets.search_dataset import Scene
from pedsearch.datasets.search_datasets.search_scene import first_sightings
from pedsearch.structures import UNLABELED


def write_protocol(root: str, *queries: dict) -> None:
    Path(root, 'annotations/test_protocol.json').write_text(json.dumps(dict(queries=queries)))


def test_training_ids_are_contiguous(own_root):
    dataset = SearchSceneDataset(own_root)
    assert (len(dataset), dataset.num_ids, dataset.num_boxes) == (3, 2, 6)
    sample = dataset.get_data_info(1)
    assert [i['pid'] for i in sample['instances']] == [1, 0]  # 40 -> 1, 17 -> 0
    assert [i['bbox'] for i in sample['instances']] == [[3, 3, 13, 23], [30, 4, 42.5, 29]]
    assert (sample['camid'], sample['height'], sample['width']) == (1, 48, 64)
    assert dataset.get_data_info(0)['instances'][1]['pid'] == UNLABELED


def test_default_protocol_is_the_first_box_in_each_camera(own_root):
    dataset = SearchSceneDataset(own_root, 'test')
    # 40 is in images 0 (camera 0), 1 (camera 1), 2 (camera 0); 17 in images 1 and 2
    assert [(q['query_id'], q['img_id'], q['pid'], sorted(q['targets'])) for q in dataset.protocols['search']] == [
        (0, 0, 40, [1, 2]), (1, 1, 40, [0, 2]), (2, 1, 17, [2]), (3, 2, 17, [1])]
    assert dataset.get_data_info(1)['queries'][1] == dict(query_id=2, bbox=[30, 4, 42.5, 29], pid=17)


def test_ignored_people_are_not_searched_for(own_root):
    path = Path(own_root, 'annotations/test.json')
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = int(annotation['image_id'] == 11)
    path.write_text(json.dumps(content))
    # What is left of 40 is in images 0 and 2 (both camera 0), of 17 in image 2 only.
    dataset = SearchSceneDataset(own_root, 'test')
    assert [(q['img_id'], q['pid'], sorted(q['targets'])) for q in dataset.protocols['search']] == [(0, 40, [2])]
    write_protocol(own_root, dict(image_id=10, bbox=[2, 3, 10, 20], person_id=40))
    assert sorted(SearchSceneDataset(own_root, 'test').protocols['search'][0]['targets']) == [2]


def test_first_sightings_equals_its_definition():
    rng = np.random.default_rng(0)
    scenes = [Scene('', rng.random((3, 4)), rng.integers(-1, 9, 3), int(rng.integers(-1, 2))) for _ in range(15)]
    expected = {}
    for img_id, scene in enumerate(scenes):
        for box, pid in zip(scene.bboxes, scene.pids):
            if pid != UNLABELED and sum(pid in other.pids for other in scenes) > 1:
                expected.setdefault((pid, scene.camid), (img_id, box.tolist()))
    assert [(q['img_id'], q['bbox'].tolist()) for q in first_sightings(scenes)] == list(expected.values())


def test_protocol_file(own_root):
    write_protocol(own_root, dict(image_id=12, bbox=[4, 3, 10, 20], person_id=40, gallery=[11, 10]),
                   dict(image_id=11, bbox=[30, 4, 12.5, 25], person_id=17, gallery=None))
    first, second = SearchSceneDataset(own_root, 'test').protocols['search']
    assert first['gallery'].tolist() == [1, 0]
    assert sorted(first['targets']) == [0, 1]
    assert first['bbox'].tolist() == [4, 3, 14, 23]
    assert first['img_id'] == 2
    assert second['gallery'] is None
    assert second['targets'][2].tolist() == [[30, 5, 42.5, 30]]


def test_query_without_target(own_root, warnings_logged):
    write_protocol(own_root, dict(image_id=12, bbox=[4, 3, 10, 20], person_id=40),
                   dict(image_id=12, bbox=[4, 3, 10, 20], person_id=99))
    assert len(SearchSceneDataset(own_root, 'test').protocols['search']) == 1
    assert warnings_logged == ['SearchSceneDataset (test): 1 queries left out, their person is in no image of their '
                               'gallery (first: person 99 in test_2.jpg)']
    write_protocol(own_root, dict(image_id=12, bbox=[4, 3, 10, 20], person_id=99))
    with pytest.raises(ValueError, match='found no query with a target in'):
        SearchSceneDataset(own_root, 'test')


def test_named_files(own_root):
    Path(own_root, 'annotations/train.json').rename(Path(own_root, 'mine.json'))
    assert len(SearchSceneDataset(own_root, ann_file='mine.json')) == 3
    with pytest.raises(FileNotFoundError, match=r'annotations/train\.json does not exist; check data_root and ann_file'):
        SearchSceneDataset(own_root)
    with pytest.raises(FileNotFoundError, match=r'other\.json does not exist'):
        SearchSceneDataset(own_root, 'test', protocol_file='other.json')


def test_bad_boxes_are_dropped_with_one_line(own_root, warnings_logged):
    path = Path(own_root, 'annotations/train.json')
    content = json.loads(path.read_text())
    for annotation, bbox in zip(content['annotations'], ([float('nan'), 1, 2, 3], [1, 1, -5, 5], [70, 1, 5, 5], [-5, -5, 9, 9])):
        annotation['bbox'] = bbox
    path.write_text(json.dumps(content))
    dataset = SearchSceneDataset(own_root)
    assert [[i['bbox'] for i in dataset.get_data_info(k)['instances']] for k in (0, 1)] == [[], [[0, 0, 4, 4]]]
    assert warnings_logged == ['SearchSceneDataset (train): 3 boxes dropped, they are not finite, have no positive width '
                               'and height, or lie outside their image']


def test_attributes_pass_through(own_root):
    path = Path(own_root, 'annotations/train.json')
    content = json.loads(path.read_text())
    content['attribute_names'] = ['hat', 'bag']
    content['annotations'][0].update(attributes=[1, -1], caption='A person with a hat.', visibility=0.5, iscrowd=1)
    path.write_text(json.dumps(content))
    dataset = SearchSceneDataset(own_root)
    first, second = dataset.get_data_info(0)['instances']
    assert first == dict(attributes=[1, -1], caption='A person with a hat.', visibility=0.5, bbox=[2, 3, 12, 23], pid=1,
                         bbox_label=0, ignore_flag=1)
    assert set(second) == {'bbox', 'pid', 'bbox_label', 'ignore_flag'}
    assert dataset.metainfo['attribute_names'] == ('hat', 'bag')
