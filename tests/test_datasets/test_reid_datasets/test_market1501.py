from pathlib import Path

import pytest

from pedsearch.datasets import Market1501Dataset

from .crop_files import MARKET, tell, write_named, write_pictures


@pytest.mark.parametrize('release', ['', 'Market-1501-v15.09.15/'])
def test_samples(tmp_path, release):
    write_named(tmp_path / release, MARKET)
    train = Market1501Dataset(str(tmp_path))
    folder = f'{release}bounding_box_train'
    assert tell(train) == [
        (f'{folder}/0002_c1s1_000451_03.jpg', 0, 0), (f'{folder}/0002_c2s1_000301_01.jpg.jpg', 0, 1),
        (f'{folder}/0007_c1s6_028546_04.jpg', 1, 0), (f'{folder}/0007_c3s3_077419_03.jpg', 1, 2)]
    test = Market1501Dataset(str(tmp_path), 'test')
    folder = f'{release}bounding_box_test'
    assert tell(test) == [
        (f'{release}query/0001_c1s1_001051_00.jpg', 1, 0), (f'{release}query/0003_c6s1_009671_00.jpg', 3, 5),
        (f'{folder}/0000_c4s3_000151_01.jpg', 0, 3), (f'{folder}/0001_c1s1_002301_02.jpg', 1, 0),
        (f'{folder}/0001_c2s1_000301_00.jpg', 1, 1), (f'{folder}/0003_c5s1_015996_02.jpg', 3, 4)]
    assert [test.get_data_info(index)['is_query'] for index in range(6)] == [True] * 2 + [False] * 4
    assert (train.num_ids, train.num_cameras, test.num_ids, test.num_cameras) == (2, 3, 2, 5)


@pytest.mark.parametrize('odd', ['0001_c1_000451_03.jpg', 'IMG_1234.jpg', '-2_c1s1_000451_03.jpg', '0002_c0s1_000451_03.jpg'])
def test_names_that_do_not_parse(tmp_path, odd):
    write_named(tmp_path, MARKET)
    write_pictures(tmp_path / 'bounding_box_train', [odd, 'zzz.png'])
    message = (r'images in bounding_box_train must be named PPPP_cCsS_FFFFFF_BB\.jpg, got 2 of 7 that are not, first: '
               rf'{odd}; rename them or move them away')
    with pytest.raises(ValueError, match=message):
        Market1501Dataset(str(tmp_path))
    assert len(Market1501Dataset(str(tmp_path), 'test')) == 6


def test_other_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'must contain query, bounding_box_test \(also accepted below '
                       r'Market-1501-v15\.09\.15\), got no such folder; check data_root'):
        Market1501Dataset(str(tmp_path), 'test')
    with pytest.raises(FileNotFoundError, match=r'folder .*gone does not exist; check data_root'):
        Market1501Dataset(str(tmp_path / 'gone'))


def test_real_release(real_data):
    root = next((path for path in (real_data / 'market1501', real_data / 'Market-1501-v15.09.15') if path.is_dir()), None)
    if root is None:
        pytest.skip('no unpacked Market-1501 in PEDSEARCH_DATA')
    train, test = Market1501Dataset(str(root)), Market1501Dataset(str(root), 'test')
    assert (len(train), train.num_ids, train.num_cameras) == (12936, 751, 6)
    assert (len(test), test.num_ids, (test.pids == 0).sum()) == (3368 + 15913, 750, 2798)
    assert Path(train.get_data_info(0)['img_path']).name == '0002_c1s1_000451_03.jpg'
