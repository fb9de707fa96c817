from pathlib import Path

import pytest

from pedsearch.datasets import CropDataset

from .crop_files import tell, write_pictures


def write_tables(root: Path, **tables: list[str]) -> Path:
    for name, rows in tables.items():
        (root / f'{name}.csv').write_text('\n'.join(['file,pid,camid', *rows]) + '\n')
        write_pictures(root, [row.split(',')[0] for row in rows])
    return root


def test_folders(tmp_path):
    write_pictures(tmp_path, ['train/ben/2.jpg', 'train/anna/1.jpg', 'train/0.jpg', 'query/dora/1.jpg', 'gallery/dora/2.jpg',
                              'gallery/carl/1.jpg', 'gallery/x.jpg'])
    train, test = CropDataset(str(tmp_path)), CropDataset(str(tmp_path), 'test')
    assert tell(train) == [('train/0.jpg', -1, -1), ('train/anna/1.jpg', 0, -1), ('train/ben/2.jpg', 1, -1)]
    assert tell(test) == [('query/dora/1.jpg', 1, -1), ('gallery/carl/1.jpg', 0, -1), ('gallery/dora/2.jpg', 1, -1),
                          ('gallery/x.jpg', -1, -1)]
    assert (train.identities, test.identities) == (('anna', 'ben'), ('carl', 'dora'))


@pytest.mark.parametrize('names', [['1.jpg', '2.jpg'], ['anna/1.jpg', 'ben/2.jpg'], ['2024/may/1.jpg', '2.jpg']])
def test_nothing_but_pictures(tmp_path, names):
    write_pictures(tmp_path, names)
    dataset = CropDataset(str(tmp_path))
    assert tell(dataset) == [(name, -1, -1) for name in sorted(names)]
    assert dataset.labels.tolist() == [-1, -1]
    assert (dataset.num_ids, dataset.identities) == (0, ())
    with pytest.raises(FileNotFoundError, match=r'must contain query\.csv or a folder query for the test split, got '
                       r'neither; see docs/own_data\.md'):
        CropDataset(str(tmp_path), 'test')


def test_tables_go_before_folders(tmp_path):
    write_tables(tmp_path, train=['train/b.jpg,10,3', 'train/a.jpg,9,1', 'else/c.jpg,,'], query=['q.jpg,x,door'],
                 gallery=['g/1.jpg,x,bridge', 'g/2.jpg,,door'])
    write_pictures(tmp_path, ['train/ben/not_listed.jpg'])
    assert tell(CropDataset(str(tmp_path))) == [
        ('else/c.jpg', -1, -1), ('train/a.jpg', 1, 1), ('train/b.jpg', 0, 3)]  # '10' sorts before '9'
    test = CropDataset(str(tmp_path), 'test')
    assert tell(test) == [('q.jpg', 0, 1), ('g/1.jpg', 0, 0), ('g/2.jpg', -1, 1)]
    assert [test.get_data_info(index)['is_query'] for index in range(3)] == [True, False, False]


def test_tables_of_other_names(tmp_path):
    write_tables(tmp_path, mine=['1.jpg,a,0'], who=['2.jpg,a,0'], where=['3.jpg,a,1'])
    assert tell(CropDataset(str(tmp_path), ann_file='mine.csv')) == [('1.jpg', 0, 0)]
    assert len(CropDataset(str(tmp_path), 'test', ann_file=['who.csv', 'where.csv'])) == 2
    with pytest.raises(ValueError, match=r'ann_file must name 2 tables \(query, gallery\) for the test split, got 1'):
        CropDataset(str(tmp_path), 'test', ann_file='who.csv')
    with pytest.raises(FileNotFoundError, match=r'yours\.csv does not exist; check data_root and ann_file'):
        CropDataset(str(tmp_path), ann_file='yours.csv')


def test_half_a_test_split(tmp_path):
    write_pictures(tmp_path, ['query/a/1.jpg'])
    with pytest.raises(FileNotFoundError, match=r'must contain gallery\.csv or a folder gallery for the test split'):
        CropDataset(str(tmp_path), 'test')
    with pytest.raises(FileNotFoundError, match=r'must contain train\.csv or a folder train for the train split'):
        CropDataset(str(tmp_path))


def test_camera_from_the_file_name(tmp_path):
    write_pictures(tmp_path, ['train/c9_x/1_cam3.jpg', 'train/c9_x/2_cam12.jpg'])
    assert tell(CropDataset(str(tmp_path), camera_pattern=r'_cam(\d+)')) == [
        ('train/c9_x/1_cam3.jpg', 0, 3), ('train/c9_x/2_cam12.jpg', 0, 12)]
    assert CropDataset(str(tmp_path), camera_pattern=r'_(cam\d+)').camids.tolist() == [1, 0]  # 'cam12' < 'cam3'
    write_pictures(tmp_path, ['train/c9_x/3.jpg'])
    with pytest.raises(ValueError, match=r"must be named with a camera as camera_pattern '_cam\(\\\\d\+\)' expects it, got 1 "
                       r'of 3 that are not, first: train/c9_x/3\.jpg'):
        CropDataset(str(tmp_path), camera_pattern=r'_cam(\d+)')


def test_tables_know_cameras_better(tmp_path):
    write_tables(tmp_path, train=['1_c5.jpg,a,7', '2_c5.jpg,a,'])
    assert CropDataset(str(tmp_path), camera_pattern=r'_c(\d)').camids.tolist() == [7, 5]


@pytest.mark.parametrize(('pattern', 'message'), [
    ('_c(', r"camera_pattern must be a regular expression, got '_c\('"),
    (r'_c\d', r'camera_pattern must have one group, the camera, got 0 in'), (r'(\d)_c(\d)', 'got 2 in')])
def test_camera_pattern_that_is_none(tmp_path, pattern, message):
    with pytest.raises(ValueError, match=message):
        CropDataset(str(tmp_path), camera_pattern=pattern)


def test_query_that_would_find_itself(tmp_path):
    write_tables(tmp_path, query=['1.jpg,a,'], gallery=['1.jpg,a,', '2.jpg,a,'])
    with pytest.raises(ValueError, match=r'queries without camera must not be in the gallery, where they find themselves, '
                       r'got 1, first: 1\.jpg; remove them from one side or name cameras'):
        CropDataset(str(tmp_path), 'test')
    write_tables(tmp_path, query=['1.jpg,a,0'], gallery=['1.jpg,a,0', '2.jpg,a,1'])
    assert len(CropDataset(str(tmp_path), 'test')) == 3


@pytest.mark.parametrize(('rows', 'error', 'message'), [
    (['1.jpg,a,0', './1.jpg,a,0'], ValueError, r'every image must be listed once, got 1\.jpg repeated'),
    ([], ValueError, 'CropDataset found no train image under .*; check the folder and its annotation files')])
def test_tables_that_are_none(tmp_path, rows, error, message):
    write_tables(tmp_path, train=rows)
    with pytest.raises(error, match=message):
        CropDataset(str(tmp_path))


def test_listed_file_that_is_missing(tmp_path):
    write_tables(tmp_path, train=['1.jpg,a,0', 'b/2.jpg,a,0'])
    (tmp_path / 'b/2.jpg').unlink()
    with pytest.raises(FileNotFoundError, match=r'1 of 2 images are missing in .*, first: b/2\.jpg'):
        CropDataset(str(tmp_path))


def test_folder_without_pictures(tmp_path):
    (tmp_path / 'read.me').write_text('nothing here')
    with pytest.raises(ValueError, match='CropDataset found no train image under'):
        CropDataset(str(tmp_path))
    with pytest.raises(FileNotFoundError, match='folder .*gone does not exist'):
        CropDataset(str(tmp_path / 'gone'))
