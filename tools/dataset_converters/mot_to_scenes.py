"""Turn tracks in the MOT Challenge format into scenes with a search protocol.

A source is a sequence folder (``img1/``, ``gt/gt.txt``, ``seqinfo.ini``) or a video with its ``--gt`` file. Rows are
``frame (from 1), id, x, y, w, h, conf[, class, visibility]``; a row counts if ``conf`` is not 0 and its class, where
given, is 1 (pedestrian). Only frames with a row are taken. Each source is one camera.

Example::

    python tools/dataset_converters/mot_to_scenes.py MOT17-02-FRCNN MOT17-04-FRCNN --out data/mot17_scenes
    python tools/dataset_converters/mot_to_scenes.py vtest.avi --gt gt.txt --out data/pets_scenes
"""

import argparse
import configparser
import os
import os.path as osp
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from pedsearch.datasets.search_datasets.scene_file import write_scenes

PEDESTRIAN = 1
DEFAULT_FPS = 25.0
FRAME, TRACK, BOX, CONF, CLASS, VISIBILITY = 0, 1, slice(2, 6), 6, 7, 8


@dataclass
class Clip:
    """One camera: its ``rows`` (n, 9) float64 in the MOT columns, restricted to people that count."""

    name: str
    source: str
    rows: np.ndarray
    fps: float
    image_ext: str = '.jpg'

    @property
    def frames(self) -> list[int]:
        """Numbers of the annotated frames, rising."""
        return np.unique(self.rows[:, FRAME]).astype(int).tolist()


def read_tracks(path: str, min_visibility: float = 0.0) -> np.ndarray:
    """Read the rows of a MOT ground truth that count.

    Args:
        path (str): Text file.
        min_visibility (float): Least visible share of a person, 0 to 1; rows without that column are kept.

    Returns:
        np.ndarray: (n, 9) float64, absent columns filled with class 1 and visibility 1, sorted by frame and id.

    Raises:
        ValueError: A line is malformed, nothing counts, or an id occurs twice in a frame.
    """
    rows = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = [float(word) for word in line.replace(',', ' ').split()]
            except ValueError:
                row = []
            if not 7 <= len(row) <= 10 or not np.isfinite(row).all() or row[FRAME] < 1:
                raise ValueError(f'{path}, line {number} must read "frame (from 1), id, x, y, w, h, conf[, class, '
                                 f'visibility]", got {line.strip()!r}')
            rows.append((row + [PEDESTRIAN, 1.0])[:9] if len(row) == 7 else (row + [1.0])[:9])
    table = np.array(rows).reshape(-1, 9)
    table = table[(table[:, CONF] != 0) & (table[:, CLASS] == PEDESTRIAN) & (table[:, VISIBILITY] >= min_visibility)]
    if not len(table):
        raise ValueError(f'{path} must hold at least one person that counts (conf not 0, class 1), got none of '
                         f'{len(rows)} rows')
    table = table[np.lexsort((table[:, TRACK], table[:, FRAME]))]
    keys, counts = np.unique(table[:, :2], axis=0, return_counts=True)
    if (counts > 1).any():
        frame, track = keys[counts > 1][0].astype(int)
        raise ValueError(f'{path} must hold an id once per frame, got id {track} repeated in frame {frame}')
    return table


def read_clip(source: str, gt_file: str | None = None, min_visibility: float = 0.0) -> Clip:
    """Read a sequence folder, or a video with its ground truth.

    Raises:
        FileNotFoundError: The source or its ground truth is missing.
        ValueError: A video comes without ``gt_file``.
    """
    name, image_ext = osp.splitext(osp.basename(osp.normpath(source)))[0], '.jpg'
    if osp.isdir(source):
        config = configparser.ConfigParser()
        config.read(osp.join(source, 'seqinfo.ini'))
        fps = config.getfloat('Sequence', 'frameRate', fallback=0.0)
        image_ext = config.get('Sequence', 'imExt', fallback='.jpg')
        path = gt_file or osp.join(source, 'gt/gt.txt')
    elif osp.isfile(source):
        if gt_file is None:
            raise ValueError(f'video {source} needs its ground truth; pass --gt FILE')
        fps, path = cv2.VideoCapture(source).get(cv2.CAP_PROP_FPS), gt_file
    else:
        raise FileNotFoundError(f'{source} does not exist; expected a MOT sequence folder or a video')
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; a MOT sequence has its tracks in gt/gt.txt')
    return Clip(name, source, read_tracks(path, min_visibility), fps or DEFAULT_FPS, image_ext)


def split_visits(frames: Sequence[int], max_gap: float) -> list[tuple[int, int]]:
    """Cut the rising frame numbers of a person's sightings where more than ``max_gap`` frames pass between two.

    Example:
        >>> split_visits([1, 3, 4, 50, 52], max_gap=10)
        [(1, 4), (50, 52)]
    """
    frames = np.asarray(frames)
    cuts = np.flatnonzero(np.diff(frames) > max_gap) + 1
    return [(int(visit[0]), int(visit[-1])) for visit in np.split(frames, cuts)]


def split_rows(clips: Sequence[Clip], by: str, train_fraction: float) -> dict[str, list[np.ndarray]]:
    """Divide the rows of every clip into training and test.

    Args:
        clips (Sequence[Clip]): The cameras.
        by (str): ``'time'``: the first frames of each clip are for training. ``'identity'``: the first people to
            appear are; both splits then have all frames, and the other split's people without identity (id -1).
        train_fraction (float): Share of the frames or of the people, more than 0 and less than 1.
    """
    parts: dict[str, list[np.ndarray]] = dict(train=[], test=[])
    for clip in clips:
        column = FRAME if by == 'time' else TRACK
        values, first = np.unique(clip.rows[:, column], return_index=True)
        ordered = values[np.argsort(first, kind='stable')]
        chosen = np.isin(clip.rows[:, column], ordered[:max(1, round(train_fraction * len(ordered)))])
        for split, mask in dict(train=chosen, test=~chosen).items():
            rows = clip.rows[mask] if by == 'time' else clip.rows.copy()
            if by == 'identity':
                rows[~mask, TRACK] = -1
            parts[split].append(rows)
    return parts


def number_people(clips: Sequence[Clip], shared_ids: bool) -> dict[tuple[int, int], int]:
    """Map (clip index, track) to identities 0, 1, 2, ...; ``shared_ids``: a track is one person in all clips."""
    keys = [(camera, track) for camera, clip in enumerate(clips)
            for track in np.unique(clip.rows[:, TRACK]).astype(int).tolist()]
    people = {track if shared_ids else (camera, track): None for camera, track in keys}
    numbers = {person: pid for pid, person in enumerate(people)}
    return {key: numbers[key[1] if shared_ids else key] for key in keys}


def build_split(clips: Sequence[Clip], parts: Sequence[np.ndarray], pids: dict,
                sizes: Sequence[tuple[int, int]]) -> tuple[list[dict], list[dict]]:
    """List the images and annotations of one split; ``pids`` maps (clip index, track) to identities."""
    images, annotations = [], []
    for camera, (clip, rows, (height, width)) in enumerate(zip(clips, parts, sizes)):
        for frame in np.unique(rows[:, FRAME]).astype(int).tolist():
            image = dict(id=len(images), file_name=frame_name(clip, frame), width=width, height=height)
            images.append(dict(image, camera_id=camera, frame=frame))
            for row in rows[rows[:, FRAME] == frame]:
                annotations.append(
                    dict(
                        image_id=image['id'],
                        bbox=row[BOX].tolist(),
                        person_id=pids.get((camera, int(row[TRACK]))),
                        visibility=float(row[VISIBILITY])))
    return images, annotations


def build_return_queries(images: Sequence[dict], annotations: Sequence[dict], fps: Sequence[float],
                         min_absence: float) -> list[dict]:
    """Write the protocol "who leaves and comes back": one query per visit, searched outside of that visit.

    A visit ends where a person is not seen in a camera for more than ``min_absence`` seconds. People with one visit
    are no queries. The query is the middle sighting of the visit; the gallery is every image but those of the same
    camera between the visit's first and last frame.
    """
    sightings: dict[tuple[int, int], list[tuple[int, dict]]] = {}
    for annotation in annotations:
        if annotation['person_id'] is not None:
            image = images[annotation['image_id']]
            key = annotation['person_id'], image['camera_id']
            sightings.setdefault(key, []).append((image['frame'], annotation))
    visits = [(pid, camera, first, last) for (pid, camera), seen in sightings.items()
              for first, last in split_visits([frame for frame, _ in seen], min_absence * fps[camera])]
    num_visits = np.unique([pid for pid, *_ in visits], return_counts=True)
    returning = set(num_visits[0][num_visits[1] > 1].tolist())
    queries = []
    for pid, camera, first, last in visits:
        if pid in returning:
            visit = [annotation for frame, annotation in sightings[pid, camera] if first <= frame <= last]
            gallery = [i['id'] for i in images if i['camera_id'] != camera or not first <= i['frame'] <= last]
            middle = visit[len(visit) // 2]
            queries.append(dict(image_id=middle['image_id'], bbox=middle['bbox'], person_id=pid, gallery=gallery))
    return queries


def frame_name(clip: Clip, frame: int) -> str:
    """File name of a frame in the converted dataset."""
    return f'{clip.name}_{frame:06d}{clip.image_ext}'


def extract_frames(clip: Clip, folder: str) -> tuple[int, int]:
    """Copy or decode the annotated frames into ``folder``; return their (height, width).

    Raises:
        ValueError: The clip is shorter than its ground truth.
    """
    os.makedirs(folder, exist_ok=True)
    if osp.isdir(clip.source):
        for frame in clip.frames:
            path = osp.join(clip.source, 'img1', f'{frame:06d}{clip.image_ext}')
            if not osp.isfile(path):
                raise ValueError(f'{path} does not exist; the ground truth has people in frame {frame}')
            shutil.copyfile(path, osp.join(folder, frame_name(clip, frame)))
    else:
        video, wanted = cv2.VideoCapture(clip.source), set(clip.frames)
        for frame in range(1, clip.frames[-1] + 1):
            if not video.grab():
                raise ValueError(f'{clip.source} ends before frame {frame}; its ground truth goes on to '
                                 f'{clip.frames[-1]}')
            if frame in wanted:
                path = osp.join(folder, frame_name(clip, frame))
                cv2.imwrite(path, video.retrieve()[1], [cv2.IMWRITE_JPEG_QUALITY, 95])
    with Image.open(osp.join(folder, frame_name(clip, clip.frames[0]))) as image:
        return image.height, image.width


def convert(clips: Sequence[Clip], out: str, args: argparse.Namespace) -> dict[str, tuple[int, int, int]]:
    """Write the dataset; return (images, boxes, identities) of each split.

    Raises:
        ValueError: Two clips have one name, a split would be empty, or nobody comes back and the protocol needs it.
    """
    if not 0 < args.train_fraction < 1:
        raise ValueError(f'--train-fraction must be more than 0 and less than 1, got {args.train_fraction}')
    names = [clip.name for clip in clips]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f'sources must have different names, got {min(twice)} repeated; rename a folder')
    pids = number_people(clips, args.shared_ids)
    parts = split_rows(clips, args.split, args.train_fraction)
    if not any(len(rows) for rows in parts['test']):
        raise ValueError('no frame is left for the test split; lower --train-fraction or add frames')
    sizes = [extract_frames(clip, osp.join(out, 'images')) for clip in clips]
    counts = {}
    for split, rows in parts.items():
        images, annotations = build_split(clips, rows, pids, sizes)
        queries = None
        if split == 'test' and args.protocol == 'returns':
            queries = build_return_queries(images, annotations, [clip.fps for clip in clips], args.min_absence)
            if not queries:
                raise ValueError(f'nobody in the test split comes back after {args.min_absence} s; lower --min-absence '
                                 'or pass --protocol all')
        write_scenes(out, split, images, annotations, queries, description=f'converted from {len(clips)} MOT sequences')
        people = {annotation['person_id'] for annotation in annotations} - {None}
        counts[split] = len(images), len(annotations), len(people)
    return counts


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', nargs='+', help='MOT sequence folder, or one video')
    parser.add_argument('--out', required=True, help='folder of the new dataset')
    parser.add_argument('--gt', help='ground truth of the video')
    parser.add_argument('--split', choices=['time', 'identity'], default='time', help='how to divide train and test')
    parser.add_argument('--train-fraction', type=float, default=0.5, help='share of frames or people for training')
    parser.add_argument(
        '--protocol', choices=['returns', 'all'], default='returns',
        help='"returns" searches a person outside of the visit that the query is from; "all" writes no protocol, so '
        'that the dataset takes the first box of each person and searches every other image')
    parser.add_argument('--min-absence', type=float, default=3.0, help='seconds unseen that end a visit')
    parser.add_argument('--min-visibility', type=float, default=0.0, help='least visible share of a person, 0 to 1')
    parser.add_argument('--shared-ids', action='store_true', help='an id is the same person in all sources')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    clips = [read_clip(source, args.gt, args.min_visibility) for source in args.source]
    for split, (images, boxes, people) in convert(clips, args.out, args).items():
        print(f'{split}: {images} images, {boxes} boxes, {people} people')


if __name__ == '__main__':
    main()
