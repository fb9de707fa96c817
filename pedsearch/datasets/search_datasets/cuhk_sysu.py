"""CUHK-SYSU in the layout of its public release.

Shape legend: n boxes of one image, m boxes of one person in one image, g gallery images.
"""

import os.path as osp
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pedsearch.functional import xywh_to_xyxy
from pedsearch.registry import DATASETS
from pedsearch.structures import UNLABELED

from .annotated_boxes import clip_boxes
from .mat_file import load_mat, numeric, struct_field, struct_rows
from .search_dataset import Scene, SearchDataset

GALLERY_SIZES = (50, 100, 500, 1000, 2000, 4000)


@dataclass
class ListedQuery:
    """One query as a ``TestG*.mat`` lists it; boxes xywh.

    ``gallery`` names the g images in file order, repeated ones included; ``positives`` holds (name, (4,) box) of the
    entries that show the person.
    """

    file_name: str
    bbox: np.ndarray
    person: str
    gallery: list[str]
    positives: list[tuple[str, np.ndarray]]


def read_images(path: str) -> dict[str, np.ndarray]:
    """Read ``Images.mat``.

    Returns:
        dict[str, np.ndarray]: Image name -> (n, 4) float32 xywh boxes, in file order and unchecked.

    Raises:
        ValueError: An image is listed twice or a field is missing.
    """
    images: dict[str, np.ndarray] = {}
    for record in struct_rows(load_mat(path, ['Img']), path):
        name = str(struct_field(record, 'imname', path, 0))
        if name in images:
            raise ValueError(f'{path} must list every image once, got {name} twice; download it again')
        box_structs = struct_field(record, 'box', path, 2)
        rows = struct_rows(box_structs, path) if np.size(box_structs) else []
        boxes = [_as_box(struct_field(row, 'idlocate', path, 0), f'{path}, {name}') for row in rows]
        images[name] = np.stack(boxes) if boxes else np.zeros((0, 4), dtype=np.float32)
    return images


def read_pool(path: str) -> list[str]:
    """Read ``pool.mat``: the names of the test images, in file order.

    Raises:
        ValueError: A name is listed twice.
    """
    names = [str(name) for name in np.atleast_1d(load_mat(path, ['pool']))]
    if len(set(names)) < len(names):
        raise ValueError(f'{path} must list every image once, got {len(names) - len(set(names))} repeated names; '
                         'download it again')
    return names


def read_train_people(path: str) -> list[list[tuple[str, np.ndarray]]]:
    """Read ``Train.mat``: for each identity its appearances (image name, (4,) xywh box)."""
    people = []
    for record in struct_rows(load_mat(path, ['Train']), path):
        scenes = struct_rows(struct_field(record, 'scene', path, 2), path)
        people.append([_appearance(scene, path) for scene in scenes])
    return people


def read_queries(path: str, gallery_size: int) -> list[ListedQuery]:
    """Read ``TestG{gallery_size}.mat``.

    Raises:
        ValueError: A field is missing, or a listed box is none.
    """
    queries = []
    for record in struct_rows(load_mat(path, [f'TestG{gallery_size}']), path):
        query = struct_rows(struct_field(record, 'Query', path, 0), path)[0]
        name, bbox = _appearance(query, path)
        _check_box(bbox, f'{path}, query in {name}')
        gallery, positives = [], []
        for entry in struct_rows(struct_field(record, 'Gallery', path, 1), path):
            gallery.append(str(struct_field(entry, 'imname', path, 0)))
            location = struct_field(entry, 'idlocate', path, 1)
            if np.size(location):
                positives.append((gallery[-1], _as_box(location, f'{path}, {gallery[-1]}')))
                _check_box(positives[-1][1], f'{path}, {gallery[-1]} in the gallery of the query in {name}')
        queries.append(ListedQuery(name, bbox, str(struct_field(query, 'idname', path, 3)), gallery, positives))
    return queries


def label_boxes(images: dict[str, np.ndarray],
                people: Iterable[Iterable[tuple[str, np.ndarray]]]) -> tuple[dict[str, np.ndarray], int]:
    """Give identities to boxes: an appearance belongs to the boxes of its image with the same four numbers.

    Args:
        images (dict[str, np.ndarray]): Image name -> (n, 4) boxes.
        people (Iterable): For each identity its appearances (image name, (4,) box).

    Returns:
        tuple[dict[str, np.ndarray], int]: Image name -> (n,) int64 pids (the position in ``people``, or
        :data:`UNLABELED`); the number of appearances that equal no box.
    """
    pids = {name: np.full(len(boxes), UNLABELED, dtype=np.int64) for name, boxes in images.items()}
    num_lost = 0
    for pid, appearances in enumerate(people):
        for name, bbox in appearances:
            same = (images[name] == bbox).all(axis=1) if name in images else np.zeros(0, dtype=bool)
            if same.any():
                pids[name][same] = pid
            else:
                num_lost += 1
    return pids, num_lost


@DATASETS.register_module()
class CUHKSYSUDataset(SearchDataset):
    """CUHK-SYSU: 11,206 training images with 5,532 identities, 6,978 test images with 2,900 queries.

    Layout: ``Image/SSM/s*.jpg`` and below ``annotation/`` the files ``Images.mat``, ``pool.mat``,
    ``test/train_test/Train.mat``, ``test/train_test/TestG{50,100,500,1000,2000,4000}.mat``.

    Training images are sorted by name, with pids in the order of ``Train.mat``; test images keep the order of
    ``pool.mat``, with pids in the order of the queries of the first gallery size; other sizes name the same people.
    Every gallery size is a protocol, ``G50`` ... ``G4000`` with the gallery as the file lists it, repeated names and
    the query's own image included, and ``Gfull``, where the gallery is every other test image. ``TestG4000.mat`` lists
    11.6 million entries; reading it takes more than a minute and about 5 GB, ``'full'`` takes neither.

    Args:
        gallery_size (int | str | Sequence): 50, 100, 500, 1000, 2000, 4000 or ``'full'``, or several of them; the
            first is the primary protocol. Default: 100.
        **kwargs: See :class:`SearchDataset`.

    Raises:
        ValueError: The gallery size is unknown, or a file is not as released.

    Source: Xiao et al., CVPR 2017.
    """

    IMAGE_DIR = 'Image/SSM'

    def __init__(self, *args, gallery_size: int | str | Sequence[int | str] = 100, **kwargs) -> None:
        sizes = [gallery_size] if isinstance(gallery_size, (int, str)) else list(gallery_size)
        if not sizes or any(size not in (*GALLERY_SIZES, 'full') for size in sizes):
            raise ValueError(f"gallery_size must be one or several of {(*GALLERY_SIZES, 'full')}, got {gallery_size!r}")
        self.gallery_sizes = sizes
        super().__init__(*args, **kwargs)

    def load_scenes(self) -> list[Scene]:
        images = read_images(self._annotation('Images.mat'))
        pool = read_pool(self._annotation('pool.mat'))
        unknown = [name for name in pool if name not in images]
        if unknown:
            raise ValueError(f'pool.mat must name images of Images.mat, got {len(unknown)} others (first: '
                             f'{unknown[0]}); take both files from one release')
        if self.split == 'train':
            names = sorted(images.keys() - set(pool))
            people = read_train_people(self._annotation('test/train_test/Train.mat'))
        else:
            names = pool
            self._queries = {size: self._read_queries(size) for size in self.gallery_sizes}
            # The files may list the queries in different orders; a person is told by name.
            appearances: dict[str, list[tuple[str, np.ndarray]]] = {}
            for query in chain.from_iterable(self._queries.values()):
                appearances.setdefault(query.person, [(query.file_name, query.bbox), *query.positives])
            self._pids = {person: pid for pid, person in enumerate(appearances)}
            people = list(appearances.values())
        pids, num_lost = label_boxes({name: images[name] for name in names}, people)
        if num_lost:
            self.warn(f'{num_lost} appearances of identities equal no box of their image and are lost')
        return self._build_scenes(names, images, pids)

    def load_protocols(self, scenes: Sequence[Scene]) -> dict[str, list[dict]]:
        img_ids = {scene.file_name: img_id for img_id, scene in enumerate(scenes)}
        protocols = {}
        for size, queries in self._queries.items():
            protocol, lonely = [], []
            for query in queries:
                entry = self._protocol_entry(query, img_ids, self._pids[query.person], full=size == 'full')
                protocol.append(entry) if entry['targets'] else lonely.append(query.person)
            self.warn_without_target(lonely)
            protocols[f'G{size}'] = protocol
        del self._queries, self._pids
        return protocols

    def _annotation(self, name: str) -> str:
        return osp.join(self.data_root, 'annotation', name)

    def _read_queries(self, size: int | str) -> list[ListedQuery]:
        # Every TestG*.mat lists all images of the person, so the full gallery can take them from any.
        listed = next((s for s in self.gallery_sizes if s != 'full'), 100) if size == 'full' else size
        return read_queries(self._annotation(f'test/train_test/TestG{listed}.mat'), listed)

    def _build_scenes(self, names: Sequence[str], images: dict[str, np.ndarray],
                      pids: dict[str, np.ndarray]) -> list[Scene]:
        scenes, num_dropped = [], 0
        for name in names:
            bboxes, valid = clip_boxes(xywh_to_xyxy(images[name]))
            num_dropped += int((~valid).sum())
            scenes.append(Scene(name, bboxes[valid], pids[name][valid]))
        self.warn_dropped(num_dropped)
        return scenes

    @staticmethod
    def _protocol_entry(query: ListedQuery, img_ids: dict[str, int], pid: int, full: bool) -> dict:
        unknown = [name for name in (query.file_name, *query.gallery) if name not in img_ids]
        if unknown:
            raise ValueError(f'query {query.person} must name images of pool.mat, got {unknown[0]}; take all '
                             'annotation files from one release')
        img_id = img_ids[query.file_name]
        targets: dict[int, list[np.ndarray]] = {}
        for name, bbox in query.positives:
            if not full or img_ids[name] != img_id:
                targets.setdefault(img_ids[name], []).append(xywh_to_xyxy(bbox))
        return dict(
            img_id=img_id,
            bbox=xywh_to_xyxy(query.bbox),
            pid=pid,
            targets={place: np.stack(boxes) for place, boxes in targets.items()},
            gallery=None if full else np.array([img_ids[name] for name in query.gallery], dtype=np.int32))


def _appearance(record: np.void, path: str) -> tuple[str, np.ndarray]:
    name = str(struct_field(record, 'imname', path, 0))
    return name, _as_box(struct_field(record, 'idlocate', path, 1), f'{path}, {name}')


def _as_box(value: np.ndarray, where: str) -> np.ndarray:
    bbox = numeric(value, where).astype(np.float32).ravel()
    if bbox.size != 4:
        raise ValueError(f'a box must be 4 numbers x, y, w, h, got {bbox.size} in {where}; download the file again')
    return bbox


def _check_box(bbox: np.ndarray, where: str) -> None:
    if not (np.isfinite(bbox).all() and (bbox[2:] > 0).all()):
        raise ValueError(f'a box must be finite with positive width and height, got {bbox.tolist()} in {where}; '
                         'download the file again')
