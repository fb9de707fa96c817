import csv
import importlib.util
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.datasets import CropDataset
from pedsearch.datasets.search_datasets.scene_file import write_scenes

TOOL = Path(__file__).parents[2] / 'tools/dataset_converters/scenes_to_crops.py'
# person (None: nobody knows who), x, y, w, h, visibility
PEOPLE = {
    'train': [[(17, 10, 5, 20, 50, 1.0), (None, 60, 5, 20, 50, 1.0)], [(17, 70, 8, 20, 50, .6), (5, 10, 8, 16, 40, 1.0)],
              [(5, 40, 10, 20, 50, .3)]],
    'test': [[(17, 30, 5, 20, 50, 1.0), (8, 90, 5, 20, 50, .9)], [(17, 5, 5, 20, 50, 1.0), (None, 60, 5, 10, 20, 1.0)],
             [(8, 50, 9, 20, 45, .7)]],
}
QUERIES = [dict(image_id=0, bbox=[30, 5, 20, 50], person_id=17, gallery=None),
           dict(image_id=0, bbox=[90, 5, 20, 50], person_id=8, gallery=None)]


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('scenes_to_crops', TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def scenes(tmp_path) -> Path:
    """Grey pictures of 128 x 64 pixels in which every person is a block of one colour."""
    root = tmp_path / 'scenes'
    (root / 'images').mkdir(parents=True)
    for split, pictures in PEOPLE.items():
        images, annotations = [], []
        for index, people in enumerate(pictures):
            canvas = np.full((64, 128, 3), 128, np.uint8)
            for person, x, y, w, h, visibility in people:
                canvas[y:y + h, x:x + w] = color(person)
                annotations.append(
                    dict(image_id=index, bbox=[x, y, w, h], person_id=person, visibility=visibility))
            name = f'{split}{index}.png'
            cv2.imwrite(str(root / 'images' / name), canvas)
            images.append(dict(id=index, file_name=name, width=128, height=64, camera_id=index % 2))
        write_scenes(str(root), split, images, annotations, QUERIES if split == 'test' else None)
    return root


def color(person: int | None) -> tuple[int, int, int]:
    return (0, 0, 255) if person is None else (10 * person, 250 - 10 * person, 60)


def rows(out: Path, part: str) -> list[tuple]:
    with open(out / f'{part}.csv', newline='') as file:
        return [(row['file'], int(row['pid']), int(row['camid'])) for row in csv.DictReader(file)]


def test_parts(tool, scenes, tmp_path, capsys):
    out = tmp_path / 'new/crops'
    assert tool.main([str(scenes), '--out', str(out)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        'train: 3 images, 2 identities', 'query: 2 images, 2 identities', 'gallery: 2 images, 2 identities']
    assert rows(out, 'train') == [('train/0005_c1_000001_1.jpg', 5, 1), ('train/0017_c0_000000_0.jpg', 17, 0),
                                  ('train/0017_c1_000001_0.jpg', 17, 1)]
    assert [row[1:] for row in rows(out, 'query')] == [(8, 0), (17, 0)]
    assert [row[1:] for row in rows(out, 'gallery')] == [(8, 0), (17, 1)]
    assert sorted(path.name for path in out.parent.iterdir()) == ['crops']  # nothing of the building site is left
    train, test = CropDataset(str(out)), CropDataset(str(out), 'test')
    assert (train.pids.tolist(), train.camids.tolist()) == ([1, 0, 0], [1, 0, 1])
    assert train.identities == ('17', '5')
    assert [test.get_data_info(index)['is_query'] for index in range(4)] == [True, True, False, False]


def test_crops_show_who_they_name(tool, scenes, tmp_path):
    tool.convert(str(scenes), str(tmp_path / 'crops'), keep_unlabelled=True, min_height=1, min_visibility=0, margin=0)
    found = [row for part in ('train', 'query', 'gallery') for row in rows(tmp_path / 'crops', part)]
    assert len(found) == sum(len(people) for pictures in PEOPLE.values() for people in pictures)
    for name, pid, _ in found:
        crop = cv2.imread(str(tmp_path / 'crops' / name)).astype(int)
        assert np.abs(crop - color(None if pid < 0 else pid)).mean() < 3
    assert [name for name, pid, _ in found if pid < 0] == ['train/unknown_c0_000000_1.jpg', 'gallery/unknown_c1_000001_1.jpg']


def test_cut_equals_a_loop(tool):
    img = np.arange(40 * 60 * 3).reshape(40, 60, 3)
    rng = np.random.default_rng(0)
    for _ in range(50):
        corner = rng.uniform(0, [50, 30])
        bbox, margin = np.concatenate([corner, corner + rng.uniform(1, 30, 2)]), rng.uniform(0, .3)
        width, height = bbox[2:] - bbox[:2]
        columns = [x for x in range(60) if x + 1 > bbox[0] - margin * width and x < bbox[2] + margin * width]
        lines = [y for y in range(40) if y + 1 > bbox[1] - margin * height and y < bbox[3] + margin * height]
        assert np.array_equal(tool.cut_box(img, bbox, margin), img[np.ix_(lines, columns)])


def test_ignored_boxes_are_not_cut(tool, scenes):
    path = scenes / 'annotations/train.json'
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        annotation['iscrowd'] = int(annotation['person_id'] == 5)
    path.write_text(json.dumps(content))
    people = tool.list_people(tool.read_scenes(str(scenes), 'train'), 'train', 1, 0)
    assert {person.pid for person in people} == {17, -1}


def test_all_or_nothing(tool, scenes, tmp_path, capsys):
    (scenes / 'images/test2.png').write_bytes(b'broken')
    assert tool.main([str(scenes), '--out', str(tmp_path / 'crops')]) == 1
    assert 'test2.png (6 bytes) cannot be decoded' in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['scenes']


def test_folder_in_use(tool, scenes, tmp_path):
    (tmp_path / 'crops').mkdir()
    (tmp_path / 'crops/mine.txt').write_text('mine')
    with pytest.raises(FileExistsError, match=r'crops must be a new or empty folder, got something in it; name another'):
        tool.convert(str(scenes), str(tmp_path / 'crops'))
    (tmp_path / 'crops/mine.txt').unlink()
    tool.convert(str(scenes), str(tmp_path / 'crops'))
    assert (tmp_path / 'crops/train.csv').is_file()


@pytest.mark.parametrize(('options', 'message'), [
    (dict(min_height=0), 'expected --min-height >= 1'), (dict(min_visibility=1.5), 'got 32.0, 1.5, 0.05'),
    (dict(margin=-.1), '--margin >= 0'), (dict(min_height=51), 'every part needs a crop, got none for train, query, gallery from .*; lower')])
def test_options_that_leave_nothing(tool, scenes, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        tool.convert(str(scenes), str(tmp_path / 'crops'), **options)


def test_no_scenes(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path), '--out', str(tmp_path / 'crops')]) == 1
    assert 'train.json does not exist' in capsys.readouterr().err
