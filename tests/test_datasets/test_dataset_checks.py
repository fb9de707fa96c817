import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pedsearch.datasets.dataset_checks import check_cuhk_sysu, check_prw, check_scenes, compare_counts, inspect_image

CUHK = dict(
    train=dict(images=2, boxes=4, labelled_boxes=3, ids=2),
    test=dict(images=3, boxes=5, labelled_boxes=4, ids=2, queries=2))
PRW = dict(
    train=dict(images=2, boxes=4, labelled_boxes=3, ids=2),
    test=dict(images=4, boxes=7, labelled_boxes=6, ids=2, queries=2))


def wrong(findings: list) -> list[str]:
    return [finding.text for finding in findings if not finding.ok]


def test_complete_releases(cuhk_root, prw_root, own_root):
    assert wrong(check_prw(prw_root, True, PRW)) == []
    assert wrong(check_scenes(own_root, True)) == []
    missing = [f'file annotation/test/train_test/TestG{size}.mat is missing' for size in (500, 1000, 2000, 4000)]
    assert wrong(check_cuhk_sysu(cuhk_root, True, CUHK)) == missing


def test_counts_are_told(own_root):
    assert [finding.text for finding in check_scenes(own_root)] == [
        'train: 3 images', 'train: 6 boxes', 'train: 5 labelled boxes', 'train: 2 ids', 'test: 3 images', 'test: 6 boxes',
        'test: 5 labelled boxes', 'test: 2 ids', 'test: 4 queries', '2 identities occur in both splits']


def test_published_counts_differ_from_a_fragment(prw_root):
    lines = wrong(check_prw(prw_root))
    assert lines[0] == 'train: 2 images, expected 5704 (-5702)'
    assert lines[-1] == 'test: 2 queries, expected 2057 (-2055)'
    assert len(lines) == 9


def test_difference_is_signed():
    (finding, ) = compare_counts('train', dict(labelled_boxes=12), dict(labelled_boxes=10))
    assert not finding.ok
    assert finding.text == 'train: 12 labelled boxes, expected 10 (+2)'


def test_missing_pieces_are_named(prw_root):
    os.remove(f'{prw_root}/frames/c1s1_000011.jpg')
    os.remove(f'{prw_root}/query_info.txt')
    assert wrong(check_prw(prw_root, counts=PRW)) == [
        'file query_info.txt is missing', f'train: images missing in {prw_root}/frames: c1s1_000011.jpg',
        f'test: {prw_root}/query_info.txt does not exist; check data_root against the layout of the release']


@pytest.mark.parametrize('check', [check_cuhk_sysu, check_prw, check_scenes])
def test_no_folder(tmp_path, check):
    assert wrong(check(str(tmp_path / 'gone')))[0] == f'folder {tmp_path / "gone"} does not exist'


def test_damaged_pictures_are_named(own_root):
    images = Path(own_root, 'images')
    data = (images / 'train_0.jpg').read_bytes()
    (images / 'train_0.jpg').write_bytes(data[:len(data) // 2])
    (images / 'train_1.jpg').write_bytes(b'text')
    cv2.imwrite(str(images / 'train_2.jpg'), np.zeros((48, 65, 3), np.uint8))
    assert wrong(check_scenes(own_root)) == []
    assert wrong(check_scenes(own_root, images=True)) == [
        'train: damaged images: train_0.jpg is truncated, train_1.jpg is no picture, train_2.jpg is 65x48, annotated as '
        '64x48']


def test_turned_pictures_are_measured_as_they_are_decoded(tmp_path):
    path = str(tmp_path / 'turned.jpg')
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (60, 40)).save(path, exif=exif)
    assert cv2.imread(path).shape[:2] == (60, 40)
    assert inspect_image(path, (60, 40)) is None


def test_long_lists_are_cut(own_root, monkeypatch):
    monkeypatch.setattr('pedsearch.datasets.dataset_checks._NUM_NAMED', 2)
    for path in Path(own_root, 'images').iterdir():
        path.unlink()
    lines = wrong(check_scenes(own_root))
    assert lines[0].endswith('images: train_0.jpg, train_1.jpg and 1 more')
