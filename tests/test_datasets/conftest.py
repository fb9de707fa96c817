"""Small releases in the original layouts, written with the structures and number types of the real files."""

import os
import os.path as osp
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from pedsearch.datasets.search_datasets.scene_file import write_scenes

# name -> [(person, x, y, w, h)]; None = nobody knows who
CUHK_TRAIN = {
    's2.jpg': [('p7', 10, 10, 30, 60), (None, 50, 5, 20, 40)],
    's1.jpg': [('p7', 5, 8, 25, 50), ('p9', 153, 111, 77, 200)],
}
CUHK_TEST = {
    's5.jpg': [('p3', 300, 20, 40, 90), (None, 10, 10, 20, 40)],
    's3.jpg': [('p3', 20, 20, 40, 80), ('p4', 100, 30, 30, 70)],
    's4.jpg': [('p4', 60, 40, 30, 70)],
}
CUHK_QUERIES = [('p3', 's5.jpg', ['s3.jpg', 's4.jpg']), ('p4', 's4.jpg', ['s3.jpg', 's5.jpg'])]
PRW_TRAIN = {
    'c1s1_000011': [(932, 100, 100, 50, 120), (-2, 300, 100, 40, 100)],
    'c2s1_000031': [(5, -4, 100, 50, 120), (932, 1900, 1000, 60, 120)],
}
PRW_TEST = {
    'c1s2_000001': [(479, 10, 20, 50, 100), (500, 200, 20, 50, 100)],
    'c1s2_000026': [(479, 60, 20, 50, 100), (-2, 600, 20, 50, 100)],
    'c3s2_000051': [(500, 90, 20, 50, 100), (500, 400, 20, 50, 100)],
    'c6s2_000076': [(479, 700, 500, 50, 100)],
}
PRW_QUERIES = [(479, 10, 20, 50, 100, 'c1s2_000001'), (500, 200, 20, 50, 100, 'c1s2_000001')]


def struct_array(rows: list[dict]) -> np.ndarray:
    """1 x n MATLAB struct array."""
    array = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for index, row in enumerate(rows):
        array[0, index] = tuple(row.values())
    return array


def cell_array(values: list, column: bool = True) -> np.ndarray:
    cell = np.empty(len(values), dtype=object)
    cell[:] = values
    return cell[:, None] if column else cell[None]


def mat_box(box: tuple) -> np.ndarray:
    """1 x 4 in the smallest type that MATLAB's writer takes."""
    box = np.array([box])
    return box.astype(np.uint8 if box.max() < 256 else np.uint16) if box.min() >= 0 else box.astype(np.float64)


def write_image(path: str, width: int, height: int) -> None:
    os.makedirs(osp.dirname(path), exist_ok=True)
    rows, columns = np.mgrid[:height, :width]
    cv2.imwrite(path, np.stack([columns % 256, rows % 256, (rows + columns) % 256], -1).astype(np.uint8))


def write_cuhk_sysu(root: Path) -> str:
    for name in (*CUHK_TRAIN, *CUHK_TEST):
        write_image(str(root / 'Image/SSM' / name), 400, 320)
    boxes = {**CUHK_TRAIN, **CUHK_TEST}
    annotation = root / 'annotation'
    (annotation / 'test/train_test').mkdir(parents=True)
    images = [
        dict(
            imname=name,
            nAppear=len(people),
            box=struct_array([dict(idlocate=mat_box(person[1:]), ishard=0) for person in people]))
        for name, people in boxes.items()
    ]
    savemat(annotation / 'Images.mat', dict(Img=struct_array(images)))
    savemat(annotation / 'pool.mat', dict(pool=cell_array(list(CUHK_TEST))))
    people = []
    for person in ('p7', 'p9'):
        scenes = [
            dict(imname=name, idlocate=mat_box(entry[1:]), ishard=0) for name in CUHK_TRAIN
            for entry in CUHK_TRAIN[name] if entry[0] == person
        ]
        people.append(struct_array([dict(idname=person, nAppear=len(scenes), scene=struct_array(scenes))]))
    savemat(annotation / 'test/train_test/Train.mat', dict(Train=cell_array(people)))
    for size in (50, 100):
        write_gallery_file(root, size, CUHK_QUERIES)
    return str(root)


def write_gallery_file(root: Path, size: int, queries: list[tuple]) -> None:
    rows = []
    for person, query_name, gallery_names in queries:
        boxes = {name: [p[1:] for p in people if p[0] == person] for name, people in CUHK_TEST.items()}
        gallery = [
            dict(imname=name, idlocate=mat_box(boxes[name][0]), ishard=0) if boxes.get(name) else dict(
                imname=name, idlocate=np.zeros((1, 0)), ishard=np.zeros((1, 0))) for name in gallery_names
        ]
        query = dict(imname=query_name, idlocate=mat_box(boxes[query_name][0]), ishard=0, idname=person)
        rows.append(dict(Query=struct_array([query]), Gallery=struct_array(gallery)))
    savemat(root / f'annotation/test/train_test/TestG{size}.mat', {f'TestG{size}': struct_array(rows)})


def write_prw(root: Path) -> str:
    (root / 'annotations').mkdir(parents=True)
    for variable, frames in zip(('box_new', 'anno_file'), (PRW_TRAIN, PRW_TEST)):
        for stem, people in frames.items():
            size = (720, 576) if stem.startswith('c6') else (1920, 1080)
            write_image(str(root / f'frames/{stem}.jpg'), *size)
            savemat(root / f'annotations/{stem}.jpg.mat', {variable: np.array(people, dtype=np.float64)})
    for split, frames in dict(train=PRW_TRAIN, test=PRW_TEST).items():
        savemat(root / f'frame_{split}.mat', {f'img_index_{split}': cell_array(list(frames))})
    lines = [' '.join(str(word) for word in query) for query in PRW_QUERIES]
    (root / 'query_info.txt').write_bytes('\r\n'.join(lines).encode() + b'\r\n')
    return str(root)


def write_own(root: Path) -> str:
    """Three training and three test pictures of 64 x 48 pixels, two cameras."""
    for split, start in dict(train=0, test=10).items():
        images, annotations = [], []
        for index in range(3):
            name = f'{split}_{index}.jpg'
            write_image(str(root / 'images' / name), 64, 48)
            images.append(dict(id=start + index, file_name=name, width=64, height=48, camera_id=index % 2))
            annotations.append(dict(image_id=start + index, bbox=[2 + index, 3, 10, 20], person_id=40))
            annotations.append(dict(image_id=start + index, bbox=[30, 3 + index, 12.5, 25], person_id=17 if index else None))
        write_scenes(str(root), split, images, annotations)
    return str(root)


@pytest.fixture(scope='session')
def releases() -> ModuleType:
    """The functions and tables of this file."""
    return sys.modules[__name__]


@pytest.fixture
def warnings_logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What datasets warn of, one entry per line."""
    lines: list[str] = []
    monkeypatch.setattr('pedsearch.datasets.split_dataset.print_log', lambda text, **kwargs: lines.append(text))
    return lines


@pytest.fixture
def cuhk_root(tmp_path: Path) -> str:
    return write_cuhk_sysu(tmp_path / 'cuhk')


@pytest.fixture
def prw_root(tmp_path: Path) -> str:
    return write_prw(tmp_path / 'prw')


@pytest.fixture
def own_root(tmp_path: Path) -> str:
    return write_own(tmp_path / 'own')


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Folder of the real test data."""
    folder = Path(os.environ.get('PEDSEARCH_DATA', Path(__file__).parents[2] / '../shared/data'))
    if not folder.is_dir():
        pytest.skip(f'no real data at {folder}; set PEDSEARCH_DATA')
    return folder
