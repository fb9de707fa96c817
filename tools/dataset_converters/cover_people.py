"""Cover people of the test scenes of a folder with grey, to measure how well a model bears occlusion.

Everybody but the queries loses a part of the box, painted in the mean colour of the image: a random ``quarter``, half
as wide and half as high as the box, or a ``third``, a band over the whole width below the head. Annotations, protocol
and training images stay (training images as links).

Example::

    python tools/dataset_converters/cover_people.py data/toy --out data/toy_covered --part quarter
    python tools/test.py CONFIG CHECKPOINT --cfg-options test_dataloader.dataset.data_root=data/toy_covered
"""

import argparse
import os
import os.path as osp
import shutil
import sys
from collections.abc import Sequence

import cv2
import numpy as np
from rich.progress import track
from scenes_to_crops import building, load_json

from pedsearch.datasets import LoadImage, SearchSceneDataset

PARTS = 'quarter', 'third'


def part_of(bbox: Sequence[float], part: str, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Pixels to cover of a box.

    Args:
        bbox (Sequence[float]): x, y, width, height in pixels.
        part (str): 'quarter' or 'third'.
        rng (np.random.Generator): Source of the draw.

    Returns:
        tuple[int, int, int, int]: x1, y1, x2, y2, the last two excluded.
    """
    x, y, width, height = bbox
    if part == 'quarter':
        row, column = rng.uniform(0, 0.5, 2)
        return (int(x + column * width), int(y + row * height), int(x + (column + 0.5) * width),
                int(y + (row + 0.5) * height))
    row = rng.uniform(0.25, 0.67)
    return int(x), int(y + row * height), int(x + width), int(y + (row + 0.33) * height)


def cover(scenes_root: str, out: str, part: str, seed: int) -> int:
    """Write the covered scenes, all or nothing; the number of people covered."""
    content = load_json(osp.join(scenes_root, 'annotations/test.json'))
    queries = load_json(osp.join(scenes_root, 'annotations/test_protocol.json'))['queries']
    searched = {(query['image_id'], query['person_id']) for query in queries}
    people: dict[int, list[dict]] = {}
    for person in content['annotations']:
        people.setdefault(person['image_id'], []).append(person)
    rng, load, num = np.random.default_rng(seed), LoadImage(), 0
    images = osp.join(scenes_root, SearchSceneDataset.IMAGE_DIR)
    with building(out) as folder:
        shutil.copytree(osp.join(scenes_root, 'annotations'), osp.join(folder, 'annotations'))
        os.makedirs(osp.join(folder, SearchSceneDataset.IMAGE_DIR))
        for image in track(content['images'], description='test scenes'):
            picture = load.transform(dict(img_path=osp.join(images, image['file_name'])))['img']
            grey = picture.mean(axis=(0, 1))
            for person in people.get(image['id'], []):
                if (image['id'], person.get('person_id')) in searched:
                    continue
                x1, y1, x2, y2 = part_of(person['bbox'], part, rng)
                picture[max(y1, 0):y2, max(x1, 0):x2] = grey
                num += 1
            cv2.imwrite(osp.join(folder, SearchSceneDataset.IMAGE_DIR, image['file_name']), picture)
        for image in load_json(osp.join(scenes_root, 'annotations/train.json'))['images']:
            target = osp.join(folder, SearchSceneDataset.IMAGE_DIR, image['file_name'])
            os.symlink(osp.abspath(osp.join(images, image['file_name'])), target)
    return num


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('scenes_root', help='folder of scenes with a protocol')
    parser.add_argument('--out', required=True, help='new folder')
    parser.add_argument('--part', choices=PARTS, default='quarter', help='what is covered')
    parser.add_argument('--seed', type=int, default=0, help='everything is drawn from it')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        num = cover(**vars(parse_args(argv)))
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{num} people covered')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
