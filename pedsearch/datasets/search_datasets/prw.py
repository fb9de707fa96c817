"""PRW in the layout of its public release (v16.04.20).

Shape legend: n boxes of one frame.
"""

import os.path as osp
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pedsearch.functional import xywh_to_xyxy
from pedsearch.registry import DATASETS
from pedsearch.structures import UNLABELED

from .annotated_boxes import clip_boxes
from .mat_file import load_mat, numeric
from .search_dataset import Scene, SearchDataset, find_targets, locate_people, make_contiguous

_CAMERA = re.compile(r'^c(\d)')


def read_frame_list(path: str, variable: str) -> list[str]:
    """Read ``frame_train.mat`` or ``frame_test.mat``: sorted image names, with ``.jpg``."""
    stems = [str(stem).strip() for stem in np.atleast_1d(load_mat(path, [variable]))]
    return sorted(stem if stem.endswith('.jpg') else f'{stem}.jpg' for stem in stems)


def read_annotation(path: str) -> tuple[np.ndarray, np.ndarray]:
    """Read the people of one frame.

    Returns:
        tuple[np.ndarray, np.ndarray]: (n,) int64 ids of the release, -2 unknown; (n, 4) float32 xyxy, not clipped.

    Raises:
        ValueError: The file holds no numbers, or a row does not hold id, x, y, w, h.
    """
    rows = numeric(load_mat(path, ['box_new', 'anno_file', 'anno_previous']), path)
    rows = np.atleast_2d(rows) if rows.size else np.zeros((0, 5))
    if rows.shape[1] != 5:
        raise ValueError(f'{path} must hold rows of id, x, y, w, h, got shape {rows.shape}; download it again')
    if not np.isfinite(rows[:, 0]).all():
        raise ValueError(f'{path} must hold finite ids, got {rows[:, 0].tolist()}; download it again')
    return rows[:, 0].astype(np.int64), xywh_to_xyxy(rows[:, 1:].astype(np.float32))


def read_query_info(path: str) -> list[tuple[int, np.ndarray, str]]:
    """Read ``query_info.txt``, lines ``pid x y w h frame`` with any line ending.

    Returns:
        list[tuple[int, np.ndarray, str]]: id, (4,) float32 xyxy, image name with ``.jpg``.

    Raises:
        FileNotFoundError: No such file.
        ValueError: A line is malformed or its box is none.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; check data_root against the layout of the release')
    queries = []
    # Undecodable bytes become U+FFFD, so that their line can be named.
    with open(path, encoding='utf-8', errors='replace') as file:
        for number, line in enumerate(file, 1):
            words = line.split()
            if not words:
                continue
            try:
                pid, *bbox = (float(word) for word in words[:-1])
                bboxes, (valid, ) = clip_boxes(xywh_to_xyxy(np.array([bbox], dtype=np.float32)))
            except ValueError:
                valid = False
            if not (valid and pid.is_integer() and pid >= 0) or '\ufffd' in line:
                raise ValueError(f'{path}, line {number} must read "pid x y w h frame", got {line.strip()!r}')
            name = words[-1]
            queries.append((int(pid), bboxes[0], name if name.endswith('.jpg') else f'{name}.jpg'))
    return queries


def parse_camid(file_name: str) -> int:
    """Take the camera, 1 to 6, from a name such as ``c3s1_000501.jpg``.

    Raises:
        ValueError: The name does not begin with a camera.
    """
    match = _CAMERA.match(osp.basename(file_name))
    if match is None:
        raise ValueError(f'a PRW frame is named cXsY_NNNNNN.jpg, got {file_name!r}')
    return int(match.group(1))


@DATASETS.register_module()
class PRWDataset(SearchDataset):
    """PRW: 5,704 training frames with 483 identities, 6,112 test frames with 2,057 queries, 6 cameras.

    Layout: ``frames/``, ``annotations/<frame>.jpg.mat``, ``frame_train.mat``, ``frame_test.mat``,
    ``query_info.txt``. Images are sorted by name; in training the raw ids are mapped in rising order to
    0 ... ``num_ids - 1``, in testing they stay as released. Boxes are cut at the border of the frame.

    Protocols: ``all`` (every frame but the query's own) and ``cross_camera`` (the frames of the other cameras).

    Args:
        **kwargs: See :class:`SearchDataset`.

    Source: Zheng et al., CVPR 2017.
    Deviation: boxes are intersected with the frame; published readers move a negative corner to 0 and keep the width
    (25 of 43,110 boxes). Published readers take 482 identities with the raw id as the label; 483 occur.
    """

    IMAGE_DIR = 'frames'

    def load_scenes(self) -> list[Scene]:
        frames = read_frame_list(osp.join(self.data_root, f'frame_{self.split}.mat'), f'img_index_{self.split}')
        paths = [osp.join(self.data_root, 'annotations', f'{name}.mat') for name in frames]
        with ThreadPoolExecutor() as pool:
            annotations = list(pool.map(read_annotation, paths))
        scenes, num_dropped = [], 0
        for name, (ids, bboxes) in zip(frames, annotations):
            camid = parse_camid(name)
            size = (576, 720) if camid == 6 else (1080, 1920)
            bboxes, valid = clip_boxes(bboxes, size)
            num_dropped += int((~valid).sum())
            pids = np.where(ids < 0, UNLABELED, ids)[valid]
            scenes.append(Scene(name, bboxes[valid], pids, camid, size))
        self.warn_dropped(num_dropped)
        if self.split == 'train':
            make_contiguous(scenes)
        return scenes

    def load_protocols(self, scenes: Sequence[Scene]) -> dict[str, list[dict]]:
        path = osp.join(self.data_root, 'query_info.txt')
        img_ids = {scene.file_name: img_id for img_id, scene in enumerate(scenes)}
        camids = np.array([scene.camid for scene in scenes])
        # One array per camera, shared by its queries.
        other_cameras = {camid: np.flatnonzero(camids != camid).astype(np.int32) for camid in set(camids.tolist())}
        places = locate_people(scenes)
        protocols: dict[str, list[dict]] = dict(all=[], cross_camera=[])
        lonely: dict[str, list[str]] = dict(all=[], cross_camera=[])
        for pid, bbox, name in read_query_info(path):
            if name not in img_ids:
                raise ValueError(f'{path} must name frames of frame_test.mat, got {name}; take both from one release')
            img_id = img_ids[name]
            for key, gallery in dict(all=None, cross_camera=other_cameras[scenes[img_id].camid]).items():
                targets = find_targets(places.get(pid, {}), img_id, gallery)
                if targets:
                    protocols[key].append(dict(img_id=img_id, bbox=bbox, pid=pid, targets=targets, gallery=gallery))
                else:
                    lonely[key].append(f'pid {pid} in {name}')
        for key in protocols:
            self.warn_without_target(lonely[key])
        return protocols
