import json
import math
import os
import sys

import numpy as np
import pytest
import torch

from pedsearch.mesh.keypoints import (
    COCO17,
    LAYOUTS,
    MARKET14,
    Keypoints,
    points_of,
    read_coco_keypoints,
    read_market_points,
    with_all_photos,
    without_missing,
)

DATA = os.environ.get('PEDSEARCH_DATA', '../shared/data')


def numbers(value, confidence=1.0):
    return [value, value + 0.5, confidence] * 17


def write(path, content):
    path.write_text(json.dumps(content))
    return str(path)


def test_layouts_name_every_point_once_and_both_sides():
    assert [len(set(points)) for points in LAYOUTS.values()] == [17, 14]
    for points in LAYOUTS.values():
        mirrored = {name.replace('left', 'LEFT').replace('right', 'left').replace('LEFT', 'right') for name in points}
        assert mirrored == set(points)


@pytest.mark.parametrize('key', ['file_name', 'image_name', 'image', 'file'])
def test_lists_of_people(tmp_path, key):
    """Sorted by name; of two people on a photo, the more certain one."""
    people = [
        {key: 'b/2.jpg', 'keypoints': numbers(2, 0.3)},
        {key: 'a.jpg', 'keypoints': numbers(1)},
        {key: 'b/2.jpg', 'keypoints': numbers(3, 0.6)},
    ]
    found = read_coco_keypoints(write(tmp_path / 'k.json', people))
    assert found.names == ['a.jpg', 'b/2.jpg']
    assert found.points[0, 4].tolist() == [1.0, 1.5, 1.0]
    assert found.points[1, 16].tolist() == pytest.approx([3.0, 3.5, 0.6])


def test_coco_annotations(tmp_path):
    content = dict(
        images=[dict(id=7, file_name='x.png')],
        annotations=[dict(image_id=7, keypoints=[4, 5, 2] * 16 + [0, 0, 0])],
    )
    found = read_coco_keypoints(write(tmp_path / 'k.json', content))
    assert found.names == ['x.png']
    assert found.points[0, 0].tolist() == [4.0, 5.0, 1.0]  # visibility 2 is a confidence of 1
    assert found.points[0, 16].tolist() == [0.0, 0.0, 0.0]


def test_missing_points_are_zero():
    points = torch.tensor([[[1.0, math.nan, 0.9], [2.0, 3.0, 0.0], [2.0, 3.0, 0.5], [math.inf, 0.0, 1.0]]])
    expected = torch.tensor([[[0.0, 0, 0], [0, 0, 0], [2, 3, 0.5], [0, 0, 0]]])
    torch.testing.assert_close(without_missing(points), expected, atol=0, rtol=0)


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(FileNotFoundError, match='expected a JSON file of keypoints, got none.json'):
        read_coco_keypoints('none.json')
    with pytest.raises(ValueError, match='must hold a list of people or COCO annotations, got a dict'):
        read_coco_keypoints(write(tmp_path / 'd.json', {'a': 1}))
    with pytest.raises(ValueError, match=r'entry 0 of .* got image None and 51 numbers'):
        read_coco_keypoints(write(tmp_path / 'n.json', [dict(keypoints=numbers(1))]))
    with pytest.raises(ValueError, match="got image 'a' and 3 numbers"):
        read_coco_keypoints(write(tmp_path / 's.json', [dict(image='a', keypoints=[1, 2, 3])]))
    with pytest.raises(ValueError, match=r"expected a layout of \['coco17', 'market14'\], got 'body25'"):
        points_of('body25')
    with pytest.raises(ValueError, match=r'points must have shape \(1, 14, 3\)'):
        Keypoints(['a'], torch.zeros(1, 17, 3), 'market14')


@pytest.fixture
def market(tmp_path):
    """Two photos and a file with x of point k = 10 + k, y = 50 + k, of the second photo 1 more, one point missing."""
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    photos = tmp_path / 'photos'
    photos.mkdir()
    for name in ('0002_b.jpg', '0001_a.jpg', 'Thumbs.db'):
        (photos / name).touch()
    rows = np.concatenate((10 + np.arange(14), 50 + np.arange(14)))[None] + np.array([[0.0], [1.0]])
    rows[1, 3] = math.nan
    with h5py.File(tmp_path / 'p.mat', 'w') as file:
        file['pp'] = rows
    return str(tmp_path / 'p.mat'), photos


def test_market_points(market):
    found = read_market_points(market[0], str(market[1]))
    assert found.names == ['0001_a.jpg', '0002_b.jpg']
    assert found.layout == 'market14'
    wrist = MARKET14.index('right_wrist')
    assert found.points[0, wrist].tolist() == [10 + 4 - 0.5, 50 + 4 - 0.5, 1.0]  # MATLAB counts from 1
    assert found.points[1, 3].tolist() == [0.0, 0.0, 0.0]
    assert found.points[1, 4].tolist() == [14.5, 54.5, 1.0]


def test_market_points_of_other_photos(market, tmp_path):
    (market[1] / '0003_c.jpg').touch()
    with pytest.raises(ValueError, match='got 2 rows and 3 photos'):
        read_market_points(market[0], str(market[1]))
    with pytest.raises(FileNotFoundError, match='expected a folder of photos, got nowhere'):
        read_market_points(market[0], 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'expected a file, got none\.mat'):
        read_market_points('none.mat', str(tmp_path))
    (tmp_path / 'old.mat').write_bytes(b'MATLAB 5.0')
    with pytest.raises(ValueError, match='must be an HDF5 file, got another'):
        read_market_points(str(tmp_path / 'old.mat'), str(tmp_path))


def test_without_h5py(monkeypatch):
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(ImportError, match=r"pip install 'pedsearch\[mesh\]'"):
        read_market_points('p.mat', '.')


def test_the_published_file_stands_people_on_their_feet():
    """In the mean of all queries, points come from head to ankle in the order of the layout's anatomy."""
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    path = os.path.join(DATA, 'market1501_extra/market1501_14point_query.mat')
    if not os.path.isfile(path):
        pytest.skip(f'{path} is not there')
    with h5py.File(path) as file:
        height = file['pp'][:, 14:].mean(0)
    order = ['crown', 'throat', 'left_upper_arm', 'left_elbow', 'left_wrist', 'left_thigh', 'left_knee', 'left_ankle']
    values = [height[MARKET14.index(name)] for name in order]
    assert values == sorted(values)
    assert len(COCO17) == 17


def test_images_without_people_have_no_points(tmp_path):
    content = dict(images=[dict(id=1, file_name='a.jpg'), dict(id=2, file_name='b.jpg')],
                   annotations=[dict(image_id=2, keypoints=[3, 4, 2] * 17)])
    (tmp_path / 'k.json').write_text(json.dumps(content))
    keypoints = read_coco_keypoints(str(tmp_path / 'k.json'))
    assert keypoints.names == ['a.jpg', 'b.jpg']
    assert keypoints.points[0].abs().sum() == 0
    assert (keypoints.points[1] == torch.tensor([3., 4., 1.])).all()


def test_photos_that_no_entry_names_have_no_points(tmp_path):
    for name in ('a.jpg', 'sub/b.PNG', 'sub/notes.txt'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    keypoints = with_all_photos(Keypoints(['a.jpg', 'gone.jpg'], torch.ones(2, 17, 3), 'coco17'), str(tmp_path))
    assert keypoints.names == ['a.jpg', 'gone.jpg', 'sub/b.PNG']
    assert keypoints.points.sum(dim=(1, 2)).tolist() == [51, 51, 0]


@pytest.mark.parametrize(('text', 'message'), [
    ('["a"]', "entry 0 of .* must be an object with image and keypoints, got 'a'"),
    ('{', 'must be a JSON file of keypoints, got another'),
])
def test_files_of_another_kind_are_one_line(tmp_path, text, message):
    (tmp_path / 'k.json').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_coco_keypoints(str(tmp_path / 'k.json'))
