"""Read and write a user's own scenes: COCO-style json files with identities, and a protocol of queries.

::

    images/                                 pictures
    annotations/train.json, test.json       {"info", "categories", "images", "annotations", ["attribute_names"]}
    annotations/test_protocol.json          {"queries": [{"image_id", "bbox", "person_id", "gallery"}]}

An annotation is one of COCO's with ``person_id`` (an integer from 0; null, absent or negative: no identity) and
optionally ``visibility``, ``attributes``, ``caption``. An image may have a ``camera_id``. All boxes are x, y, w, h.

Shape legend: n boxes of one image.
"""

import json
import os
import os.path as osp
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pedsearch.functional import xywh_to_xyxy
from pedsearch.structures import UNLABELED

from .annotated_boxes import clip_boxes
from .search_dataset import Scene

FORMAT = dict(format='pedsearch-scenes', version=1)
EXTRA_KEYS = ('visibility', 'attributes', 'caption')


def load_json(path: str) -> dict:
    """Load a json object.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The text is no json, or no object.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; check data_root and ann_file')
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except json.JSONDecodeError as error:
        place = f'line {error.lineno}, column {error.colno}'
        raise ValueError(f'{path} is malformed json at {place}: {error.msg}') from None
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} must be UTF-8 text, got {error}') from None
    if not isinstance(content, dict):
        raise ValueError(f'{path} must hold a json object, got {type(content).__name__}')
    return content


def parse_scenes(content: Mapping[str, Any], path: str = 'annotations') -> tuple[list[Scene], list[int], int]:
    """Turn a loaded annotation file into scenes in the order of its images.

    Args:
        content (Mapping): The loaded json.
        path (str): Its name, for messages.

    Returns:
        tuple[list[Scene], list[int], int]: Scenes with the raw ``person_id`` as pid; their image ids; the number of
        boxes left out because they are not finite, have no size, or lie outside their image.

    Raises:
        ValueError: A key is missing, an id is repeated, unknown or no integer, or a box is malformed.
    """
    image_list, annotation_list = _need(content, 'images', path, list), _need(content, 'annotations', path, list)
    person = _person_category(content, path)
    images: dict[int, dict] = {}
    for position, image in enumerate(image_list):
        where = f'{path}, images[{position}]'
        image_id = _need(image, 'id', where, int)
        if image_id in images:
            raise ValueError(f'{where}: image ids must be unique, got {image_id} again')
        images[image_id] = image
    people: dict[int, list[dict]] = {image_id: [] for image_id in images}
    annotation_ids: set[int] = set()
    for position, annotation in enumerate(annotation_list):
        where = f'{path}, annotations[{position}]'
        image_id = _need(annotation, 'image_id', where, int)
        if image_id not in people:
            raise ValueError(f'{where}: image_id must be the id of an image of the file, got {image_id}')
        if 'id' in annotation:
            annotation_id = _need(annotation, 'id', where, int)
            if annotation_id in annotation_ids:
                raise ValueError(f'{where}: annotation ids must be unique, got {annotation_id} again')
            annotation_ids.add(annotation_id)
        if person is None or annotation.get('category_id', person) == person:
            people[image_id].append(dict(annotation, where=where))
    scenes, num_dropped = [], 0
    for image_id, image in images.items():
        scene, num = _parse_scene(image, people[image_id], f'{path}, image {image_id}')
        scenes.append(scene)
        num_dropped += num
    return scenes, list(images), num_dropped


def parse_queries(content: Mapping[str, Any],
                  img_ids: Mapping[int, int],
                  sizes: Sequence[tuple[int, int]],
                  path: str = 'protocol') -> list[dict]:
    """Turn a loaded protocol file into queries.

    Args:
        content (Mapping): The loaded json.
        img_ids (Mapping[int, int]): Image id of the annotation file -> position of the image.
        sizes (Sequence[tuple[int, int]]): (height, width) of each image by position.
        path (str): Its name, for messages.

    Returns:
        list[dict]: ``dict(img_id, bbox (4,) float32 xyxy, pid, gallery (g,) int32 or None)``.

    Raises:
        ValueError: A query names an unknown image, has no identity, or its box or gallery is none.
    """
    queries = []
    for position, query in enumerate(_need(content, 'queries', path, list)):
        where = f'{path}, queries[{position}]'
        image_id = _need(query, 'image_id', where, int)
        gallery = query.get('gallery')
        if gallery is not None and not (isinstance(gallery, list) and all(type(name) is int for name in gallery)):
            raise ValueError(f'{where}: gallery must be a list of image ids or null, got {gallery!r:.80}')
        unknown = [name for name in (image_id, *(gallery or ())) if name not in img_ids]
        if unknown:
            raise ValueError(f'{where}: image ids must be those of the annotation file, got {unknown[0]!r}')
        if gallery is not None and not gallery:
            raise ValueError(f'{where}: gallery must name at least one image, got []; null means all other images')
        pid = _need(query, 'person_id', where, int)
        if pid < 0:
            raise ValueError(f'{where}: person_id of a query must be 0 or more, got {pid}')
        bboxes, valid = clip_boxes(_parse_box(query, where), sizes[img_ids[image_id]])
        if not valid.all():
            raise ValueError(f'{where}: bbox must be a box inside the image, got {query["bbox"]}')
        queries.append(
            dict(
                img_id=img_ids[image_id],
                bbox=bboxes[0],
                pid=pid,
                gallery=None if gallery is None else np.array([img_ids[i] for i in gallery], dtype=np.int32)))
    return queries


def write_scenes(data_root: str,
                 split: str,
                 images: Sequence[dict],
                 annotations: Sequence[dict],
                 queries: Sequence[dict] | None = None,
                 **content: Any) -> None:
    """Write one split of a dataset in this format.

    Args:
        data_root (str): Folder of the dataset.
        split (str): ``'train'`` or ``'test'``.
        images (Sequence[dict]): ``dict(id, file_name, width, height, [camera_id])``.
        annotations (Sequence[dict]): ``dict(image_id, bbox xywh, person_id, ...)``; ids, category and area are added.
        queries (Sequence[dict] | None): ``dict(image_id, bbox xywh, person_id, gallery)``; None writes no protocol.
        **content: Further entries of the annotation file, for example ``description``.
    """
    folder = osp.join(data_root, 'annotations')
    os.makedirs(folder, exist_ok=True)
    full = [
        dict(annotation, id=index, category_id=1, iscrowd=0, area=annotation['bbox'][2] * annotation['bbox'][3])
        for index, annotation in enumerate(annotations)
    ]
    info = dict(FORMAT, description=content.pop('description', ''))
    categories = [dict(id=1, name='person')]
    with open(osp.join(folder, f'{split}.json'), 'w', encoding='utf-8') as file:
        json.dump(dict(info=info, categories=categories, images=list(images), annotations=full, **content), file)
    if queries is not None:
        with open(osp.join(folder, f'{split}_protocol.json'), 'w', encoding='utf-8') as file:
            json.dump(dict(queries=list(queries)), file)


def _need(record: Any, key: str, where: str, kind: type) -> Any:
    if not isinstance(record, dict):
        raise ValueError(f'{where} must be a json object, got {type(record).__name__}')
    if key not in record:
        raise ValueError(f'{where} must have the key {key!r}, got keys {sorted(record)}')
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f'{where}: {key} must be of type {kind.__name__}, got {value!r:.80}')
    return value


def _person_category(content: Mapping[str, Any], path: str) -> int | None:
    if 'categories' not in content:
        return None
    categories = _need(content, 'categories', path, list)
    ids = [_need(category, 'id', f'{path}, categories[{i}]', int) for i, category in enumerate(categories)]
    named = [number for number, category in zip(ids, categories) if category.get('name') == 'person']
    if named or len(categories) < 2:
        return named[0] if named else None
    raise ValueError(f'{path}: one of the categories must be named "person", got '
                     f'{[category.get("name") for category in categories]}')


def _parse_box(record: dict, where: str) -> np.ndarray:
    bbox = _need(record, 'bbox', where, list)
    if len(bbox) != 4 or not all(isinstance(value, (int, float)) for value in bbox):
        raise ValueError(f'{where}: bbox must be 4 numbers x, y, w, h, got {bbox!r:.80}')
    return xywh_to_xyxy(np.array([bbox], dtype=np.float32))


def _parse_pid(record: dict) -> int:
    pid = record.get('person_id')
    if pid is None:
        return UNLABELED
    pid = _need(record, 'person_id', record['where'], int)
    if pid > np.iinfo(np.int64).max:
        raise ValueError(f'{record["where"]}: person_id must fit into 64 bits, got {pid}')
    return max(pid, UNLABELED)


def _parse_scene(image: dict, people: Sequence[dict], where: str) -> tuple[Scene, int]:
    width, height = _need(image, 'width', where, int), _need(image, 'height', where, int)
    if width < 1 or height < 1:
        raise ValueError(f'{where}: width and height must be positive, got {width} x {height}')
    boxes = [_parse_box(record, record['where']) for record in people]
    bboxes, valid = clip_boxes(np.concatenate([np.zeros((0, 4), dtype=np.float32), *boxes]), (height, width))
    pids = np.array([_parse_pid(record) for record in people], dtype=np.int64)
    flags = np.array([bool(record.get('iscrowd', 0)) for record in people], dtype=bool)
    extras = [{key: record[key] for key in EXTRA_KEYS if key in record} for record in people]
    camid = image.get('camera_id')
    scene = Scene(
        _need(image, 'file_name', where, str),
        bboxes[valid],
        pids[valid],
        camid=-1 if camid is None else _need(image, 'camera_id', where, int),
        size=(height, width),
        ignore_flags=flags[valid],
        extras=[extra for extra, keep in zip(extras, valid) if keep])
    return scene, int((~valid).sum())
