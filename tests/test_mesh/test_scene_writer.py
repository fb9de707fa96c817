"""Files: determinism to the byte, the format, the protocol, and nothing half done."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from pedsearch.mesh import scene_writer
from pedsearch.mesh.clothing import ATTRIBUTE_NAMES
from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.scene_writer import build_protocol, write_toy_scenes


def digest(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


@pytest.fixture(scope='module')
def written(tmp_path_factory, small_config):
    folder = tmp_path_factory.mktemp('scenes') / 'toy'
    assert write_toy_scenes(small_config, folder, workers=1, make_body=PrismBody)
    return folder


def load(folder, name):
    return json.loads((folder / 'annotations' / f'{name}.json').read_text())


def test_two_workers_write_the_same_bytes(written, small_config, tmp_path):
    write_toy_scenes(small_config, tmp_path / 'toy', workers=2, make_body=PrismBody)
    assert digest(tmp_path / 'toy') == digest(written)


@pytest.mark.parametrize(('split', 'images'), [('train', 9), ('test', 12)])
def test_format(written, split, images):
    data = load(written, split)
    assert data['info']['format'] == 'pedsearch-scenes'
    assert data['info']['version'] == 1
    assert data['categories'] == [dict(id=1, name='person')]
    assert data['attribute_names'] == list(ATTRIBUTE_NAMES)
    assert [image['id'] for image in data['images']] == list(range(images))
    for image in data['images']:
        picture = np.asarray(Image.open(written / 'images' / image['file_name']))
        assert picture.shape == (image['height'], image['width'], 3)
        assert picture.std() > 10
    assert [person['id'] for person in data['annotations']] == list(range(len(data['annotations'])))
    for person in data['annotations']:
        x, y, w, h = person['bbox']
        image = data['images'][person['image_id']]
        assert x >= 0
        assert y >= 0
        assert x + w <= image['width']
        assert y + h <= image['height']
        assert person['area'] == pytest.approx(w * h)
        assert len(person['attributes']) == len(ATTRIBUTE_NAMES)
        assert 0.2 <= person['visibility'] <= 1
        assert person['person_id'] >= -1


def test_identities_are_disjoint(written):
    train, test = ({p['person_id'] for p in load(written, split)['annotations']} - {-1} for split in ('train', 'test'))
    assert train
    assert test
    assert not train & test


def test_one_person_one_outfit(written):
    """Attributes belong to the identity; captions vary in words only."""
    for split in ('train', 'test'):
        outfits = {}
        for person in load(written, split)['annotations']:
            if person['person_id'] >= 0:
                assert outfits.setdefault(person['person_id'], person['attributes']) == person['attributes']


def test_protocol_is_valid(written, small_config):
    test = load(written, 'test')
    queries = load(written, 'test_protocol')['queries']
    assert queries
    boxes = {(p['image_id'], tuple(p['bbox'])): p for p in test['annotations']}
    asked = []
    for query in queries:
        person = boxes[query['image_id'], tuple(query['bbox'])]
        assert person['person_id'] == query['person_id']
        assert person['visibility'] >= small_config.query_visibility
        assert query['gallery'] is None
        others = {p['image_id'] for p in test['annotations'] if p['person_id'] == query['person_id']}
        assert others - {query['image_id']}
        asked.append((query['person_id'], test['images'][query['image_id']]['camera_id']))
    assert len(set(asked)) == len(asked)
    assert max(sum(pid == one for pid, _ in asked) for one, _ in asked) <= small_config.queries_per_id


def test_protocol_by_hand():
    """Image 0: pid 7 fully visible; image 1 (camera 1): pid 7 hidden, pid 8 alone in one image, one unlabelled."""

    def scene(index, camid, *people):
        people = [dict(person_id=p, visibility=v, area=a, bbox=[p, 0, a, 1]) for p, v, a in people]
        return dict(image=dict(id=index, camera_id=camid), people=people)

    scenes = [
        scene(0, 0, (7, 1.0, 5)),
        scene(1, 1, (7, 0.5, 9), (8, 1.0, 9), (-1, 1.0, 9)),
        scene(2, 0, (7, 1.0, 8)),
        scene(3, 2, (7, 0.9, 4)),
    ]
    queries = build_protocol(scenes, 0.7, 3)
    assert [(q['image_id'], q['person_id']) for q in queries] == [(2, 7), (3, 7)]
    assert [(q['image_id'], q['person_id']) for q in build_protocol(scenes, 0.7, 1)] == [(2, 7)]


def test_written_once(written, small_config, monkeypatch):
    monkeypatch.setattr(scene_writer, '_scenes', lambda *args: pytest.fail('rendered again'))
    assert not write_toy_scenes(small_config, written, make_body=PrismBody)


def test_a_failure_leaves_nothing(small_config, tmp_path):
    def stop():
        raise RuntimeError('stopped')

    with pytest.raises(RuntimeError, match='stopped'):
        write_toy_scenes(small_config, tmp_path / 'toy', workers=1, make_body=PrismBody, on_image=stop)
    assert list(tmp_path.iterdir()) == []


def test_another_config_replaces_the_old_scenes(small_config, tmp_path):
    fewer = dataclasses.replace(small_config, num_train_images=3, num_test_images=6)
    for config in (fewer, dataclasses.replace(fewer, num_train_images=4)):
        assert write_toy_scenes(config, tmp_path / 'toy', workers=1, make_body=PrismBody)
    assert len(load(tmp_path / 'toy', 'train')['images']) == 4
    assert [path.name for path in tmp_path.iterdir()] == ['toy']


def test_foreign_folder_is_left_alone(small_config, tmp_path):
    (tmp_path / 'letter.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='is not empty and holds no toy scenes; name a new folder'):
        write_toy_scenes(small_config, tmp_path, make_body=PrismBody)
    assert (tmp_path / 'letter.txt').read_text() == 'mine'
