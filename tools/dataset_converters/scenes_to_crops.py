"""Cut the annotated people of a folder of scenes out: crops for re-identification.

Training crops are the labelled people of the training scenes, queries those of the protocol, the gallery everybody else
in the test scenes. The new folder holds ``train/``, ``query/``, ``gallery/`` and ``train.csv``, ``query.csv``,
``gallery.csv``, which ``CropDataset`` reads; identities and cameras keep their numbers.

Example::

    python tools/dataset_converters/scenes_to_crops.py data/toy --out data/toy_crops
"""

import argparse
import csv
import os
import os.path as osp
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np

from pedsearch.datasets import LoadImage, SearchSceneDataset
from pedsearch.datasets.search_datasets import Scene
from pedsearch.datasets.search_datasets.scene_file import load_json, parse_scenes
from pedsearch.structures import UNLABELED

JPEG_QUALITY = 95


@dataclass(frozen=True)
class Cut:
    """One person to cut out: the part it belongs to, its image, ``bbox`` (4,) xyxy in pixels, who it is."""

    part: str
    img_id: int
    bbox: np.ndarray
    pid: int


def read_scenes(data_root: str, split: str) -> list[Scene]:
    """Read the scenes of a split with the identities as annotated."""
    path = osp.join(data_root, f'annotations/{split}.json')
    return parse_scenes(load_json(path), path)[0]


def list_people(scenes: Sequence[Scene], part: str, min_height: float, min_visibility: float) -> list[Cut]:
    """List everyone large and visible enough; boxes without annotated visibility are visible."""
    people = []
    for img_id, scene in enumerate(scenes):
        for instance in scene.instances():
            bbox = np.array(instance['bbox'])
            visible = instance.get('visibility')
            is_clear = bbox[3] - bbox[1] >= min_height and (visible is None or visible >= min_visibility)
            if is_clear and not instance['ignore_flag']:
                people.append(Cut(part, img_id, bbox, instance['pid']))
    return people


def split_protocol(people: Sequence[Cut], queries: Sequence[dict]) -> list[Cut]:
    """Turn the people whom the protocol searches for, told by image and identity, into queries; the rest is gallery."""
    wanted = {(query['img_id'], query['pid']) for query in queries}
    return [
        Cut('query' if (person.img_id, person.pid) in wanted else 'gallery', person.img_id, person.bbox, person.pid)
        for person in people
    ]


def crop_bounds(bbox: np.ndarray, margin: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Pixels of the crop of a box, each side moved outwards by ``margin`` of the box's size within the image.

    Args:
        bbox (np.ndarray): (4,) xyxy in pixels, overlapping the image.
        margin (float): Share of width and height, at least 0.
        size (tuple[int, int]): (height, width) of the image.

    Returns:
        tuple[int, int, int, int]: x1, y1, x2, y2 of all pixels that the box touches, the last two excluded.
    """
    reach = margin * (bbox[2:] - bbox[:2])
    low = np.floor(np.maximum(bbox[:2] - reach, 0)).astype(int)
    high = np.ceil(np.minimum(bbox[2:] + reach, size[::-1])).astype(int)
    return *low.tolist(), *high.tolist()


def cut_box(img: np.ndarray, bbox: np.ndarray, margin: float) -> np.ndarray:
    """Cut a box out of an image (H, W, 3), see :func:`crop_bounds`."""
    x1, y1, x2, y2 = crop_bounds(bbox, margin, img.shape[:2])
    return img[y1:y2, x1:x2]


@contextmanager
def building(out: str) -> Iterator[str]:
    """Offer a folder beside ``out`` that becomes ``out`` if the block succeeds and vanishes if it does not.

    Raises:
        FileExistsError: ``out`` exists and is not empty.
    """
    if osp.exists(out) and (not osp.isdir(out) or os.listdir(out)):
        raise FileExistsError(f'{out} must be a new or empty folder, got something in it; name another or empty it')
    parent, name = osp.split(osp.abspath(out))
    os.makedirs(parent, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f'.{name}-', dir=parent)
    try:
        yield folder
        os.chmod(folder, 0o755)
        os.replace(folder, out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_cuts(data_root: str, scenes: Sequence[Scene], cuts: Sequence[Cut], folder: str, margin: float) -> None:
    """Write crops and tables of some scenes; each image is read once."""
    by_image, rows = defaultdict(list), defaultdict(list)
    for cut in cuts:
        by_image[cut.img_id].append(cut)
        os.makedirs(osp.join(folder, cut.part), exist_ok=True)
    load = LoadImage()
    for img_id, members in by_image.items():
        scene = scenes[img_id]
        height, width = scene.size or (None, None)
        path = osp.join(data_root, SearchSceneDataset.IMAGE_DIR, scene.file_name)
        img = load.transform(dict(img_path=path, height=height, width=width))['img']
        for number, cut in enumerate(members):
            person = f'{cut.pid:04d}' if cut.pid != UNLABELED else 'unknown'
            name = f'{cut.part}/{person}_c{scene.camid}_{img_id:06d}_{number}.jpg'
            crop = cut_box(img, cut.bbox, margin)
            cv2.imwrite(osp.join(folder, name), crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
            rows[cut.part].append((name, cut.pid, scene.camid))
    for part, entries in rows.items():
        with open(osp.join(folder, f'{part}.csv'), 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows([('file', 'pid', 'camid'), *sorted(entries)])


def convert(data_root: str,
            out: str,
            min_height: float = 32.0,
            min_visibility: float = 0.5,
            margin: float = 0.05,
            keep_unlabelled: bool = False) -> dict[str, list[Cut]]:
    """Write the crops of a folder of scenes, all or nothing.

    Args:
        data_root (str): Folder of the scenes.
        out (str): The new folder.
        min_height (float): Least height of a box in pixels. Default: 32.
        min_visibility (float): Least visible share of a person, 0 to 1, where annotated. Default: 0.5.
        margin (float): Context at each side, as a share of width and height. Default: 0.05.
        keep_unlabelled (bool): Take training people without identity, too. Default: False.

    Returns:
        dict[str, list[Cut]]: What was cut for ``train``, ``query``, ``gallery``.

    Raises:
        ValueError: An argument is out of range, or a part would be empty.
        FileExistsError: ``out`` is not empty.
        FileNotFoundError: Annotations or images are missing.
    """
    if min_height < 1 or not 0 <= min_visibility <= 1 or margin < 0:
        raise ValueError(f'expected --min-height >= 1, --min-visibility from 0 to 1 and --margin >= 0, got '
                         f'{min_height}, {min_visibility}, {margin}')
    scenes = {split: read_scenes(data_root, split) for split in ('train', 'test')}
    train = list_people(scenes['train'], 'train', min_height, min_visibility)
    train = [person for person in train if keep_unlabelled or person.pid != UNLABELED]
    people = list_people(scenes['test'], 'gallery', min_height, min_visibility)
    test = split_protocol(people, SearchSceneDataset(data_root, 'test').protocols['search'])
    parts = {part: [cut for cut in train + test if cut.part == part] for part in ('train', 'query', 'gallery')}
    empty = [part for part, cuts in parts.items() if not cuts]
    if empty:
        raise ValueError(f'every part needs a crop, got none for {", ".join(empty)} from {data_root}; lower '
                         '--min-height or --min-visibility, or annotate more people')
    with building(out) as folder:
        write_cuts(data_root, scenes['train'], train, folder, margin)
        write_cuts(data_root, scenes['test'], test, folder, margin)
    return parts


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data_root', help='folder of scenes')
    parser.add_argument('--out', required=True, help='folder of the new dataset')
    parser.add_argument('--min-height', type=float, default=32.0, help='least height of a box in pixels')
    parser.add_argument('--min-visibility', type=float, default=0.5, help='least visible share, 0 to 1, if annotated')
    parser.add_argument('--margin', type=float, default=0.05, help='context at each side, as a share of the box')
    parser.add_argument('--keep-unlabelled', action='store_true', help='training people without identity, too')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        parts = convert(**vars(args))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for part, cuts in parts.items():
        print(f'{part}: {len(cuts)} images, {len({cut.pid for cut in cuts} - {UNLABELED})} identities')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
