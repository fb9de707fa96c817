from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pedsearch.datasets import CUHKSYSUDataset
from pedsearch.datasets.search_datasets.cuhk_sysu import label_boxes, read_queries
from pedsearch.structures import UNLABELED


def instances(dataset: CUHKSYSUDataset, index: int) -> list[tuple]:
    return [(i['pid'], *i['bbox']) for i in dataset.get_data_info(index)['instances']]


def test_train_split(cuhk_root):
    dataset = CUHKSYSUDataset(cuhk_root)
    assert len(dataset) == 2
    assert dataset.num_ids == 2
    assert dataset.num_boxes == 4
    assert dataset.get_data_info(0)['img_path'].endswith('Image/SSM/s1.jpg')  # sorted, the file has s2 first
    # p7 is the first identity of Train.mat, p9 the second; the box of p9 is uint8 and must not wrap around
    assert instances(dataset, 0) == [(0, 5, 8, 30, 58), (1, 153, 111, 230, 311)]
    assert instances(dataset, 1) == [(0, 10, 10, 40, 70), (UNLABELED, 50, 5, 70, 45)]
    assert 'queries' not in dataset.get_data_info(0)


def test_test_split_keeps_pool_order_and_labels_boxes_of_the_queries(cuhk_root, releases):
    dataset = CUHKSYSUDataset(cuhk_root, 'test', gallery_size=50)
    assert [dataset.get_data_info(i)['img_path'].rsplit('/')[-1] for i in range(3)] == list(releases.CUHK_TEST)
    assert instances(dataset, 0) == [(0, 300, 20, 340, 110), (UNLABELED, 10, 10, 30, 50)]
    assert instances(dataset, 1) == [(0, 20, 20, 60, 100), (1, 100, 30, 130, 100)]
    (query, ) = dataset.get_data_info(2)['queries']
    assert query == dict(query_id=1, bbox=[60, 40, 90, 110], pid=1)


def test_several_gallery_sizes(cuhk_root, releases):
    releases.write_gallery_file(Path(cuhk_root), 50, [('p4', 's4.jpg', ['s3.jpg']), ('p3', 's5.jpg', ['s3.jpg'])])
    dataset = CUHKSYSUDataset(cuhk_root, 'test', gallery_size=(100, 50, 'full'))
    protocols = dataset.metainfo['protocols']
    assert list(protocols) == ['G100', 'G50', 'Gfull'] == list(dataset.protocols)
    assert [q['gallery'].tolist() for q in protocols['G100']] == [[1, 2], [1, 0]]
    assert [q['gallery'] for q in protocols['Gfull']] == [None, None]
    # The same query box has one number, the same person one pid, whatever the order in the file.
    assert [q['query_id'] for q in protocols['G50']] == [1, 0]
    pids = {key: [q['pid'] for q in protocol] for key, protocol in protocols.items()}
    assert pids == dict(G100=[0, 1], G50=[1, 0], Gfull=[0, 1])
    for query in (query for protocol in protocols.values() for query in protocol):
        places = {(k, *box) for k, boxes in query['targets'].items() for box in boxes.tolist()}
        boxes = {(k, *i['bbox']) for k in range(3) for i in dataset.get_data_info(k)['instances'] if i['pid'] == query['pid']}
        assert boxes == places | {(query['img_id'], *query['bbox'].tolist())}
    for query in protocols['G100']:
        assert {key: value.tolist() for key, value in query['targets'].items()} == {
            1: [[20, 20, 60, 100] if query['pid'] == 0 else [100, 30, 130, 100]]
        }


def test_repeated_names_and_own_image_stay_as_listed(cuhk_root, releases):
    releases.write_gallery_file(Path(cuhk_root), 100, [('p4', 's4.jpg', ['s4.jpg', 's3.jpg', 's3.jpg', 's5.jpg'])])
    dataset = CUHKSYSUDataset(cuhk_root, 'test', gallery_size=(100, 'full'))
    listed, full = (dataset.protocols[name][0] for name in ('G100', 'Gfull'))
    assert listed['gallery'].tolist() == [2, 1, 1, 0]
    assert listed['gallery'].dtype == np.int32
    assert {img_id: len(boxes) for img_id, boxes in listed['targets'].items()} == {2: 1, 1: 2}
    assert set(full['targets']) == {1}  # the full gallery holds every image but the query's own


def test_the_real_gallery_file(real_data, tmp_path):
    # facts measured in dicl.md 1.1
    queries = read_queries(str(real_data / 'prw_mini/cuhk_sysu_TestG100.mat'), 100)
    num_positives = Counter(len(query.positives) for query in queries)
    assert len(queries) == len({query.person for query in queries}) == 2900
    assert {len(query.gallery) for query in queries} == {100}
    assert sum(len(query.positives) for query in queries) == 5447
    assert (num_positives[1], num_positives[2], num_positives[3], max(num_positives)) == (1501, 804, 341, 13)
    assert len({name for q in queries for name in (q.file_name, *q.gallery)}) == 6978
    assert len({q.file_name for q in queries}) == 2725
    boxes = {(n, *b) for q in queries for n, b in [(q.file_name, q.bbox.tolist()), *q.positives]}
    assert len(boxes) == 8345
    heights = [query.bbox[3] for query in queries]
    assert (min(heights), np.median(heights), max(heights)) == (36, 225, 793)
    own = [i for i, query in enumerate(queries) if query.file_name in query.gallery]
    assert own == [493, 2132]
    twice = [i for i, query in enumerate(queries) if len(set(query.gallery)) < 100]
    assert twice == [1250, 1633, 1997, 2561]


def test_label_boxes_equals_a_loop():
    rng = np.random.default_rng(0)
    images = {f's{i}.jpg': rng.integers(0, 3, (4, 4)) for i in range(5)}
    people = [[(f's{rng.integers(7)}.jpg', rng.integers(0, 3, 4)) for _ in range(9)] for _ in range(6)]
    pids, num_lost = label_boxes(images, people)
    expected = {name: [UNLABELED] * 4 for name in images}
    lost = 0
    for pid, appearances in enumerate(people):
        for name, box in appearances:
            rows = [i for i in range(4) if name in images and list(images[name][i]) == list(box)]
            for row in rows:
                expected[name][row] = pid
            lost += not rows
    assert {name: p.tolist() for name, p in pids.items()} == expected
    assert num_lost == lost > 0


def test_identity_without_box_is_reported(cuhk_root, releases, warnings_logged):
    path = Path(cuhk_root) / 'annotation/test/train_test/Train.mat'
    scene = releases.struct_array([dict(imname='s1.jpg', idlocate=releases.mat_box((1, 2, 3, 4)), ishard=0)])
    person = releases.struct_array([dict(idname='p7', nAppear=1, scene=scene)])
    savemat(path, dict(Train=releases.cell_array([person])))
    dataset = CUHKSYSUDataset(cuhk_root)
    assert dataset.num_ids == 0
    assert warnings_logged == [
        'CUHKSYSUDataset (train): 1 appearances of identities equal no box of their image and are lost'
    ]


def rewrite(path: Path, variable: str, **fields) -> None:
    """Replace fields of the first record of a struct array."""
    content = loadmat(path)[variable]
    for name, value in fields.items():
        content[0, 0][name] = value
    savemat(path, {variable: content})


def test_boxes_without_size_are_dropped(cuhk_root, releases, warnings_logged):
    boxes = releases.struct_array([dict(idlocate=np.array([[10, 10, 30, 60]], dtype=np.uint8), ishard=0),
                          dict(idlocate=np.array([[5., 5., 0., 10.]]), ishard=0),
                          dict(idlocate=np.array([[np.nan, 5., 4., 10.]]), ishard=0)])
    rewrite(Path(cuhk_root) / 'annotation/Images.mat', 'Img', box=boxes)
    assert CUHKSYSUDataset(cuhk_root).num_boxes == 3  # was 4, one valid box and two bad ones replaced two
    assert warnings_logged[0].startswith("CUHKSYSUDataset (train): 2 boxes dropped, they are not finite")


def test_missing_field_and_extra_field(cuhk_root, releases):
    path = Path(cuhk_root) / 'annotation/Images.mat'
    rows = loadmat(path)['Img']
    extended = releases.struct_array([dict(extra=7, imname=row['imname'], nAppear=1, box=row['box']) for row in rows[0]])
    savemat(path, dict(Img=extended))
    assert len(CUHKSYSUDataset(cuhk_root)) == 2
    savemat(path, dict(Img=releases.struct_array([dict(imname=row['imname']) for row in rows[0]])))
    with pytest.raises(ValueError, match=r"Images\.mat must have a field 'box', got fields \['imname'\]"):
        CUHKSYSUDataset(cuhk_root)


def test_wrong_variable_and_broken_file(cuhk_root):
    path = Path(cuhk_root) / 'annotation/pool.mat'
    savemat(path, dict(other=1))
    with pytest.raises(ValueError, match=r'pool\.mat must hold the variable pool, got none'):
        CUHKSYSUDataset(cuhk_root)
    path.write_bytes(b'no mat file')
    with pytest.raises(ValueError, match=r'pool\.mat cannot be read as a MATLAB file'):
        CUHKSYSUDataset(cuhk_root)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r'pool\.mat does not exist; check data_root'):
        CUHKSYSUDataset(cuhk_root)


def test_repeated_and_foreign_names(cuhk_root, releases):
    path = Path(cuhk_root) / 'annotation/pool.mat'
    savemat(path, dict(pool=releases.cell_array(['s3.jpg', 's3.jpg'])))
    with pytest.raises(ValueError, match='every image once, got 1 repeated names'):
        CUHKSYSUDataset(cuhk_root)
    savemat(path, dict(pool=releases.cell_array([*releases.CUHK_TEST, 's99.jpg'])))
    with pytest.raises(ValueError, match=r'pool\.mat must name images of Images\.mat, got 1 others \(first: s99\.jpg\)'):
        CUHKSYSUDataset(cuhk_root)
    savemat(path, dict(pool=releases.cell_array(['s3.jpg', 's5.jpg'])))
    with pytest.raises(ValueError, match=r'query p3 must name images of pool\.mat, got s4\.jpg'):
        CUHKSYSUDataset(cuhk_root, 'test')


def test_box_of_three_numbers(cuhk_root, releases):
    boxes = releases.struct_array([dict(idlocate=np.array([[10, 10, 30]], dtype=np.uint8), ishard=0)])
    rewrite(Path(cuhk_root) / 'annotation/Images.mat', 'Img', box=boxes)
    with pytest.raises(ValueError, match=r'a box must be 4 numbers x, y, w, h, got 3 in .*s2\.jpg'):
        CUHKSYSUDataset(cuhk_root)


def test_box_of_text(cuhk_root, releases):
    rewrite(Path(cuhk_root) / 'annotation/Images.mat', 'Img', box=releases.struct_array([dict(idlocate='box', ishard=0)]))
    with pytest.raises(ValueError, match=r"Images\.mat, s2\.jpg must hold numbers, got \['box'\]; download"):
        CUHKSYSUDataset(cuhk_root)


@pytest.mark.parametrize('box', [(np.nan, 20, 40, 90), (300, 20, 0, 90), (300, 20, -5, 90)])
@pytest.mark.parametrize(('image', 'where'), [
    ('s5.jpg', r'TestG100\.mat, query in s5\.jpg'),
    ('s3.jpg', r'TestG100\.mat, s3\.jpg in the gallery of the query in s5\.jpg')])
def test_listed_box_that_is_none(cuhk_root, releases, monkeypatch, image, where, box):
    monkeypatch.setitem(releases.CUHK_TEST, image, [('p3', *box)])
    releases.write_gallery_file(Path(cuhk_root), 100, [('p3', 's5.jpg', ['s3.jpg', 's4.jpg'])])
    with pytest.raises(ValueError, match=rf'a box must be finite with positive width and height, got \[.*\] in .*{where}'):
        CUHKSYSUDataset(cuhk_root, 'test')


def test_no_query_that_can_be_scored(cuhk_root, releases):
    releases.write_gallery_file(Path(cuhk_root), 100, [('p3', 's5.jpg', ['s4.jpg'])])
    with pytest.raises(ValueError, match=r"CUHKSYSUDataset found no query with a target in .*cuhk for protocol 'G100'"):
        CUHKSYSUDataset(cuhk_root, 'test')


@pytest.mark.parametrize('size', [99, 'all', [], [100, 7]])
def test_unknown_gallery_size(cuhk_root, size):
    with pytest.raises(ValueError, match='gallery_size must be one or several of'):
        CUHKSYSUDataset(cuhk_root, 'test', gallery_size=size)
