import copy
import gzip
import json

import pytest

from pedsearch.datasets.search_datasets.scene_file import load_json, parse_queries, parse_scenes, write_scenes
from pedsearch.datasets.search_datasets.search_dataset import make_contiguous
from pedsearch.structures import UNLABELED

CONTENT = dict(
    categories=[dict(id=1, name='person')],
    images=[dict(id=5, file_name='a.jpg', width=64, height=48), dict(id=7, file_name='b.jpg', width=64, height=48)],
    annotations=[dict(id=0, image_id=5, category_id=1, bbox=[1, 2, 3, 4], person_id=3),
                 dict(id=1, image_id=7, category_id=1, bbox=[1, 2, 3, 4])])
QUERY = dict(image_id=5, bbox=[1, 2, 3, 4], person_id=3, gallery=[7])


def parse(change) -> list:
    content = copy.deepcopy(CONTENT)
    change(content)
    return parse_scenes(content, 'train.json')[0]


@pytest.mark.parametrize(('change', 'message'), [
    (lambda c: c.pop('images'), r"train\.json must have the key 'images', got keys \['annotations', 'categories'\]"),
    (lambda c: c.pop('annotations'), "must have the key 'annotations'"),
    (lambda c: c.update(images={}), r'images must be of type list, got \{\}'),
    (lambda c: c['images'][0].pop('id'), r"images\[0\] must have the key 'id'"),
    (lambda c: c['images'][1].pop('file_name'), "image 7 must have the key 'file_name'"),
    (lambda c: c['images'][1].pop('width'), "image 7 must have the key 'width'"),
    (lambda c: c['images'][1].update(height=0), 'width and height must be positive, got 64 x 0'),
    (lambda c: c['images'][1].update(height='48'), "height must be of type int, got '48'"),
    (lambda c: c['images'][1].update(camera_id='north'), "camera_id must be of type int, got 'north'"),
    (lambda c: c['images'][1].update(id=5), r'images\[1\]: image ids must be unique, got 5 again'),
    (lambda c: c['images'].append(3), r'images\[2\] must be a json object, got int'),
    (lambda c: c['annotations'][1].update(image_id=6), r'annotations\[1\]: image_id must be the id of an image of the file, got 6'),
    (lambda c: c['annotations'][1].pop('image_id'), r"annotations\[1\] must have the key 'image_id'"),
    (lambda c: c['annotations'][1].pop('bbox'), r"annotations\[1\] must have the key 'bbox'"),
    (lambda c: c['annotations'][1].update(bbox=[1, 2, 3]), r'annotations\[1\]: bbox must be 4 numbers x, y, w, h, got \[1, 2, 3\]'),
    (lambda c: c['annotations'][1].update(bbox=[1, 2, 3, None]), 'bbox must be 4 numbers'),
    (lambda c: c['annotations'][1].update(bbox='1 2 3 4'), "bbox must be of type list, got '1 2 3 4'"),
    (lambda c: c['annotations'][1].update(person_id='17'), "person_id must be of type int, got '17'"),
    (lambda c: c['annotations'][1].update(person_id=1.5), 'person_id must be of type int, got 1.5'),
    (lambda c: c['annotations'][1].update(person_id=True), 'person_id must be of type int, got True'),
    (lambda c: c['annotations'][1].update(person_id=2**70), 'person_id must fit into 64 bits'),
    (lambda c: c.update(categories=[dict(id=1, name='man'), dict(id=2, name='woman')]),
     r"one of the categories must be named \"person\", got \['man', 'woman'\]"),
    (lambda c: c.update(categories=[dict(name='person')]), r"train\.json, categories\[0\] must have the key 'id', got keys \['name'\]"),
    (lambda c: c.update(categories=['person']), r'categories\[0\] must be a json object, got str'),
    (lambda c: c.update(categories=None), r'train\.json: categories must be of type list, got None'),
    (lambda c: c['annotations'][1].update(id=0), r'annotations\[1\]: annotation ids must be unique, got 0 again'),
    (lambda c: c['annotations'][1].update(id=[0]), r'annotations\[1\]: id must be of type int, got \[0\]'),
])
def test_malformed_annotations(change, message):
    with pytest.raises(ValueError, match=message):
        parse(change)


@pytest.mark.parametrize('person_id', [None, -1, -2, -999])
def test_people_without_identity(person_id):
    assert parse(lambda c: c['annotations'][0].update(person_id=person_id))[0].pids.tolist() == [UNLABELED]


def test_other_categories_are_left_out():
    scenes = parse(lambda c: c.update(categories=[dict(id=9, name='car'), dict(id=1, name='person')])
                   or c['annotations'][0].update(category_id=9))
    assert [len(scene.pids) for scene in scenes] == [0, 1]


@pytest.mark.parametrize(('change', 'message'), [
    (dict(image_id=6), r'queries\[0\]: image ids must be those of the annotation file, got 6'),
    (dict(gallery=[7, 8]), 'image ids must be those of the annotation file, got 8'),
    (dict(gallery=5), r'queries\[0\]: gallery must be a list of image ids or null, got 5'),
    (dict(gallery=[[7]]), r'gallery must be a list of image ids or null, got \[\[7\]\]'),
    (dict(gallery=[False]), r'gallery must be a list of image ids or null, got \[False\]'),
    (dict(gallery=[]), r'gallery must name at least one image, got \[\]; null means all'),
    (dict(bbox=[float('nan'), 2, 3, 4]), r'bbox must be a box inside the image, got \[nan, 2, 3, 4\]'),
    (dict(bbox=[1, 2, 0, 4]), 'bbox must be a box inside the image'),
    (dict(bbox=[70, 2, 3, 4]), 'bbox must be a box inside the image'),
    (dict(person_id=-1), 'person_id of a query must be 0 or more, got -1'),
    (dict(person_id=None), 'person_id must be of type int, got None'),
])
def test_malformed_queries(change, message):
    with pytest.raises(ValueError, match=message):
        parse_queries(dict(queries=[dict(QUERY, **change)]), {5: 0, 7: 1}, [(48, 64)] * 2)


def test_query():
    (query, ) = parse_queries(dict(queries=[QUERY]), {5: 0, 7: 1}, [(48, 64)] * 2)
    assert (query['img_id'], query['bbox'].tolist(), query['gallery'].tolist()) == (0, [1, 2, 4, 6], [1])
    with pytest.raises(ValueError, match="protocol must have the key 'queries'"):
        parse_queries({}, {}, [])


@pytest.mark.parametrize(('text', 'message'), [
    (b'{"images": [\n  {"id": 1,}\n]}', 'is malformed json at line 2, column 12'),
    (b'', 'is malformed json at line 1, column 1'),
    (b'[]', 'must hold a json object, got list'),
    (b'\xff\xfe{', 'must be UTF-8 text'),
])
def test_malformed_file(tmp_path, text, message):
    path = tmp_path / 'train.json'
    path.write_bytes(text)
    with pytest.raises(ValueError, match=message):
        load_json(str(path))


def test_what_is_written_is_read_back(tmp_path):
    write_scenes(str(tmp_path), 'test', CONTENT['images'], CONTENT['annotations'], [QUERY], description='two pictures')
    content = load_json(str(tmp_path / 'annotations/test.json'))
    assert content['info'] == dict(format='pedsearch-scenes', version=1, description='two pictures')
    assert [a['area'] for a in content['annotations']] == [12, 12]
    scenes, image_ids, num_dropped = parse_scenes(content)
    assert (image_ids, num_dropped) == ([5, 7], 0)
    assert scenes[0].bboxes.tolist() == [[1, 2, 4, 6]]
    assert load_json(str(tmp_path / 'annotations/test_protocol.json')) == dict(queries=[QUERY])


@pytest.mark.parametrize(('split', 'counts'), [('train', (5704, 18048, 14907, 483)), ('test', (6112, 25062, 19127, 544))])
def test_counts_of_prw(real_data, split, counts):
    # dicl.md 1.2 and O-28
    with gzip.open(real_data / f'prw_mini/{split}_pid_full.json.gz') as file:
        scenes, _, num_dropped = parse_scenes(json.load(file))
    mapping = make_contiguous(scenes)
    pids = [pid for scene in scenes for pid in scene.pids.tolist()]
    labelled = [pid for pid in pids if pid != UNLABELED]
    assert (len(scenes), len(pids), len(labelled), len(mapping) - 1) == counts
    assert num_dropped == 0
    assert set(labelled) == set(range(counts[3]))
