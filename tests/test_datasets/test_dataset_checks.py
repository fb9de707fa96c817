import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pedsearch.datasets import CropDataset
from pedsearch.datasets.dataset_checks import (
    MARKET1501_COUNTS,
    MSMT17_COUNTS,
    check_crops,
    check_cuhk_sysu,
    check_market1501,
    check_msmt17,
    check_prw,
    check_scenes,
    compare_counts,
    count_parts,
    inspect_image,
)

from .test_reid_datasets.crop_files import MARKET, write_msmt17, write_named, write_pictures

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


@pytest.mark.parametrize('check', [check_cuhk_sysu, check_prw, check_scenes, check_market1501, check_msmt17, check_crops])
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


def test_complete_releases_of_crops(tmp_path):
    write_named(tmp_path / 'market', MARKET)
    counts = dict(
        train=dict(images=4, ids=2, cameras=3),
        query=dict(images=2, ids=2, cameras=2),
        gallery=dict(images=4, ids=2, cameras=4, distractors=1))
    findings = check_market1501(str(tmp_path / 'market'), True, counts)
    assert wrong(findings) == []
    assert [finding.text for finding in findings] == [
        'train: 4 images', 'train: 2 ids', 'train: 3 cameras', 'train: 0 images without identity',
        'train: 2 ids in several cameras', 'query: 2 images', 'query: 2 ids', 'query: 2 cameras', 'gallery: 4 images',
        'gallery: 2 ids', 'gallery: 4 cameras', 'gallery: 1 distractors']
    write_msmt17(tmp_path / 'msmt')
    counts = dict(
        train=dict(images=3, ids=2, cameras=3),
        query=dict(images=1, ids=1, cameras=1),
        gallery=dict(images=2, ids=1, cameras=2, distractors=1))
    assert wrong(check_msmt17(str(tmp_path / 'msmt'), True, counts)) == []


def test_published_counts_of_crops(tmp_path):
    write_named(tmp_path, MARKET)
    lines = wrong(check_market1501(str(tmp_path)))
    assert lines[0] == 'train: 4 images, expected 12936 (-12932)'
    assert lines[-1] == 'gallery: 1 distractors, expected 2798 (-2797)'
    for counts, total in ((MARKET1501_COUNTS, 12936 + 3368 + 15913), (MSMT17_COUNTS, 126441)):
        assert sum(part['images'] for part in counts.values()) == total
    assert MSMT17_COUNTS['train']['ids'] + MSMT17_COUNTS['query']['ids'] == 4101


def test_damaged_and_missing_crops_are_named(tmp_path):
    write_msmt17(tmp_path)
    (tmp_path / 'train/0001/0001_000_15_0303morning_0015_0.jpg').unlink()
    (tmp_path / 'test/0002/0002_000_12_0303morning_0008_0.jpg').write_bytes(b'text')
    lines = wrong(check_msmt17(str(tmp_path), images=True))
    assert f'train: images missing in {tmp_path}/: train/0001/0001_000_15_0303morning_0015_0.jpg' in lines
    assert 'test: damaged images: 0002_000_12_0303morning_0008_0.jpg is no picture' in lines
    (tmp_path / 'list_query.txt').write_text('x')
    assert wrong(check_msmt17(str(tmp_path)))[-1].startswith(f'test: {tmp_path}/list_query.txt, line 1 must read')


def test_own_crops(tmp_path):
    write_pictures(tmp_path, ['train/anna/1.jpg', 'train/2.jpg'])
    assert [finding.text for finding in check_crops(str(tmp_path))] == [
        'train: 2 images', 'train: 1 ids', 'train: 0 cameras', 'train: 1 images without identity',
        'train: 0 ids in several cameras']
    write_pictures(tmp_path, ['query/anna/3.jpg'])
    assert wrong(check_crops(str(tmp_path)))[0].startswith(f'test: {tmp_path} must contain gallery.csv or a folder gallery')
    write_pictures(tmp_path, ['gallery/anna/4.jpg'])
    findings = check_crops(str(tmp_path), images=True)
    assert wrong(findings) == []
    assert findings[-1].text == '1 identities occur in both splits'


def test_people_in_several_cameras_equal_a_loop(tmp_path):
    rng = np.random.default_rng(0)
    rows = [(f'{i}.jpg', int(pid), int(cam)) for i, (pid, cam) in enumerate(rng.integers(-1, [9, 3], (14, 2)))]
    write_pictures(tmp_path, [row[0] for row in rows])
    (tmp_path / 'train.csv').write_text('\n'.join(['file,pid,camid', *(','.join(map(str, row)) for row in rows)]))
    cameras = {pid: {c for _, p, c in rows if p == pid and c >= 0} for _, pid, _ in rows if pid >= 0}
    counts = count_parts(CropDataset(str(tmp_path)))['train']
    assert counts['ids_in_several_cameras'] == sum(len(seen) > 1 for seen in cameras.values())
    assert counts['images_without_identity'] == sum(pid < 0 for _, pid, _ in rows)
