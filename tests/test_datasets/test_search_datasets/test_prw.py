from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pedsearch.datasets import PRWDataset
from pedsearch.datasets.search_datasets.prw import parse_camid
from pedsearch.structures import UNLABELED


def pids(dataset: PRWDataset) -> list[list[int]]:
    return [[i['pid'] for i in dataset.get_data_info(k)['instances']] for k in range(len(dataset))]


def test_train_ids_are_contiguous_and_boxes_inside(prw_root):
    dataset = PRWDataset(prw_root)
    assert (len(dataset), dataset.num_ids, dataset.num_boxes) == (2, 2, 4)
    assert pids(dataset) == [[1, UNLABELED], [0, 1]]  # raw 5 -> 0, raw 932 -> 1, no row for the ids between
    sample = dataset.get_data_info(1)
    assert [i['bbox'] for i in sample['instances']] == [[0, 100, 46, 220], [1900, 1000, 1920, 1080]]
    assert (sample['camid'], sample['height'], sample['width']) == (2, 1080, 1920)


def test_test_split(prw_root):
    dataset = PRWDataset(prw_root, 'test')
    assert pids(dataset) == [[479, 500], [479, UNLABELED], [500, 500], [479]]
    sample = dataset.get_data_info(3)
    assert (sample['height'], sample['width'], sample['instances'][0]['bbox']) == (576, 720, [700, 500, 720, 576])
    assert dataset.get_data_info(0)['queries'] == [
        dict(query_id=0, bbox=[10, 20, 60, 120], pid=479), dict(query_id=1, bbox=[200, 20, 250, 120], pid=500)]


def test_protocols(prw_root):
    protocols = PRWDataset(prw_root, 'test').protocols
    assert list(protocols) == ['all', 'cross_camera']
    first, second = protocols['all']
    assert first['gallery'] is None
    assert set(first['targets']) == {1, 3}
    assert second['targets'][2].tolist() == [[90, 20, 140, 120], [400, 20, 450, 120]]
    first, second = protocols['cross_camera']
    assert first['gallery'].tolist() == second['gallery'].tolist() == [2, 3]
    assert set(first['targets']) == {3}
    assert first['gallery'] is second['gallery']


@pytest.mark.parametrize('ending', ['\n', '\r\n', '\r\n\r\n', ''])
def test_line_endings_of_the_query_list(prw_root, ending):
    Path(prw_root, 'query_info.txt').write_bytes(b'479 10 20 50 100 c1s2_000001' + ending.encode())
    (query, ) = PRWDataset(prw_root, 'test').protocols['all']
    assert (query['img_id'], query['pid'], query['bbox'].tolist()) == (0, 479, [10, 20, 60, 120])


@pytest.mark.parametrize('line', ['479 10 20 50 c1s2_000001', 'x 10 20 50 100 c1s2_000001', '479 10 20 nan 100 c1s2_000001',
                                  '479 10 20 0 100 c1s2_000001', '479', 'nan 10 20 50 100 c1s2_000001',
                                  '1.5 10 20 50 100 c1s2_000001', '-2 10 20 50 100 c1s2_000001',
                                  '\xff 10 20 50 100 c1s2_000001', '479 10 20 50 100 c1s2_\xff'])
def test_malformed_query_line(prw_root, line):
    Path(prw_root, 'query_info.txt').write_text(f'479 10 20 50 100 c1s2_000001\n{line}\n', encoding='latin-1')
    with pytest.raises(ValueError, match=r'query_info\.txt, line 2 must read "pid x y w h frame", got'):
        PRWDataset(prw_root, 'test')


def test_query_of_a_training_frame(prw_root):
    Path(prw_root, 'query_info.txt').write_text('5 10 20 50 100 c1s1_000011\n')
    with pytest.raises(ValueError, match=r'must name frames of frame_test\.mat, got c1s1_000011\.jpg'):
        PRWDataset(prw_root, 'test')


def test_query_without_target_is_left_out(prw_root, warnings_logged):
    with open(Path(prw_root, 'query_info.txt'), 'a') as file:
        file.write('7 10 20 50 100 c1s2_000026\n')
    dataset = PRWDataset(prw_root, 'test')
    assert [q['pid'] for q in dataset.protocols['all']] == [479, 500]
    assert dataset.get_data_info(1)['queries'] == []
    assert warnings_logged[0] == ('PRWDataset (test): 1 queries left out, their person is in no image of their gallery '
                                  '(first: pid 7 in c1s2_000026.jpg)')


@pytest.mark.parametrize('text', ['', '7 10 20 50 100 c1s2_000026\n'])
def test_no_query_that_can_be_scored(prw_root, text):
    Path(prw_root, 'query_info.txt').write_text(text)
    with pytest.raises(ValueError, match=r"PRWDataset found no query with a target in .*prw for protocol 'all'"):
        PRWDataset(prw_root, 'test')


def test_no_query_list(prw_root):
    Path(prw_root, 'query_info.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'query_info\.txt does not exist; check data_root'):
        PRWDataset(prw_root, 'test')


@pytest.mark.parametrize('variable', ['box_new', 'anno_file', 'anno_previous'])
def test_names_of_the_annotation_variable(prw_root, variable):
    savemat(Path(prw_root, 'annotations/c1s1_000011.jpg.mat'), {variable: np.array([[5., 1, 2, 30, 40]])})
    assert pids(PRWDataset(prw_root)) == [[0], [0, 1]]


def test_annotation_without_people_and_with_odd_types(prw_root):
    path = Path(prw_root, 'annotations/c1s1_000011.jpg.mat')
    savemat(path, dict(box_new=np.zeros((0, 5))))
    assert pids(PRWDataset(prw_root)) == [[], [0, 1]]
    savemat(path, dict(box_new=np.array([[5, 111, 153, 200, 77]], dtype=np.uint8)))
    assert PRWDataset(prw_root).get_data_info(0)['instances'][0]['bbox'] == [111, 153, 311, 230]
    savemat(path, dict(box_new=np.array([[5, np.nan, 153, 200, 77], [5, 1, 1, -3, 9], [5, 5000, 1, 3, 9]])))
    assert pids(PRWDataset(prw_root)) == [[], [0, 1]]


def test_annotation_of_wrong_width_or_name(prw_root):
    path = Path(prw_root, 'annotations/c1s1_000011.jpg.mat')
    savemat(path, dict(box_new=np.ones((2, 4))))
    with pytest.raises(ValueError, match=r'must hold rows of id, x, y, w, h, got shape \(2, 4\)'):
        PRWDataset(prw_root)
    savemat(path, dict(box_new=np.array([[np.nan, 1, 2, 3, 4]])))
    with pytest.raises(ValueError, match='must hold finite ids'):
        PRWDataset(prw_root)
    savemat(path, dict(boxes=np.ones((2, 5))))
    with pytest.raises(ValueError, match='must hold the variable box_new or anno_file or anno_previous'):
        PRWDataset(prw_root)


@pytest.mark.parametrize('content', ['text', np.array(['a', 'bc'], dtype=object), dict(x=1)])
def test_annotation_without_numbers(prw_root, content):
    savemat(Path(prw_root, 'annotations/c1s1_000011.jpg.mat'), dict(box_new=content))
    with pytest.raises(ValueError, match=r'c1s1_000011\.jpg\.mat must hold numbers, got .*; download the file again'):
        PRWDataset(prw_root)


def test_camera_from_the_name(prw_root, releases):
    assert parse_camid('c6s1_009601.jpg') == 6
    savemat(Path(prw_root, 'frame_train.mat'), dict(img_index_train=releases.cell_array(['frame1'])))
    savemat(Path(prw_root, 'annotations/frame1.jpg.mat'), dict(box_new=np.ones((1, 5))))
    with pytest.raises(ValueError, match=r"a PRW frame is named cXsY_NNNNNN\.jpg, got 'frame1\.jpg'"):
        PRWDataset(prw_root)
