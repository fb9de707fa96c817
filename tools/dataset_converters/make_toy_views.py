"""Write the exact bodies of toy crops, and how some of the people would look turned.

The crops are those that ``scenes_to_crops.py`` cut from toy scenes. ``bodies.npz`` is for ``ToyBodies``. For
``--truth`` training crops, whole people of many identities first, ``turned_<crop>_<angle>.png`` shows the person alone
in the same place, turned; ``turned.csv`` lists them.

Example::

    python tools/dataset_converters/make_toy_views.py data/toy data/toy_crops --out data/toy_views --truth 40
"""

import argparse
import csv
import os.path as osp
import re
import sys
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from rich.progress import track
from scenes_to_crops import Scene, building, crop_bounds, load_json, read_scenes

from pedsearch.mesh.anny_body import AnnyBody
from pedsearch.mesh.toy_bodies import ToyCrop, draw_turned, save_toy_bodies
from pedsearch.mesh.toy_world import ToyWorld, ToyWorldConfig

ANGLES_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
NAME = re.compile(r'(?:train|query|gallery)/(\d+)_c\d+_(\d+)_\d+\.jpg')


def read_config(scenes_root: str) -> ToyWorldConfig:
    """The world that the scenes were rendered from."""
    path = osp.join(scenes_root, 'annotations/train.json')
    info = load_json(path).get('info', {})
    if 'config' not in info or 'fingerprint' not in info:
        raise ValueError(f'{path} must be of toy scenes, got other scenes; render them with tools/make_toy_scenes.py')
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in info['config'].items()}
    return ToyWorldConfig(**values)


def read_crop_names(crops_root: str) -> dict[str, list[str]]:
    """Crops with identity of both splits."""
    names = {}
    for split, parts in (('train', ('train', )), ('test', ('query', 'gallery'))):
        names[split] = []
        for part in parts:
            with open(osp.join(crops_root, f'{part}.csv'), newline='', encoding='utf-8') as file:
                names[split] += [row['file'] for row in csv.DictReader(file)]
    return names


def find_crops(names: Sequence[str], split: str, world: ToyWorld, scenes: Sequence[Scene],
               margin: float) -> list[tuple[ToyCrop, float]]:
    """The person on each crop that has an identity, and the visible share of them."""
    found = []
    for name in names:
        match = NAME.fullmatch(name)
        if match is None:
            continue
        pid, index = int(match[1]), int(match[2])
        visits = [visit for visit in world.visits(split, index) if visit.pid == pid]
        people = [person for person in scenes[index].instances() if person['pid'] == pid]
        if len(visits) != 1 or len(people) != 1:
            raise ValueError(f'crop {name} must show one person of image {index}, got {len(visits)} in the world and '
                             f'{len(people)} in the annotations; cut the crops from these scenes')
        bounds = crop_bounds(np.array(people[0]['bbox']), margin, scenes[index].size)
        found.append((ToyCrop(name, split, index, bounds, visits[0]), people[0]['visibility']))
    return found


def choose_for_truth(crops: Sequence[tuple[ToyCrop, float]], num: int) -> list[ToyCrop]:
    """Large crops of whole people, identities in turn."""
    by_pid = defaultdict(list)
    for crop, visibility in crops:
        if visibility > 0.97:
            by_pid[crop.visit.pid].append(crop)
    for members in by_pid.values():
        members.sort(key=lambda crop: crop.bbox[1] - crop.bbox[3])
    rounds = max(map(len, by_pid.values()), default=0)
    return [by_pid[pid][turn] for turn in range(rounds) for pid in sorted(by_pid) if turn < len(by_pid[pid])][:num]


def convert(scenes_root: str, crops_root: str, out: str, truth: int, margin: float) -> int:
    """Write everything, all or nothing; the number of bodies."""
    if truth < 0:
        raise ValueError(f'--truth must be >= 0, got {truth}')
    world = ToyWorld(read_config(scenes_root), AnnyBody())
    crops = []
    for split, names in read_crop_names(crops_root).items():
        crops += find_crops(names, split, world, read_scenes(scenes_root, split), margin)
    chosen = choose_for_truth([(crop, visibility) for crop, visibility in crops if crop.split == 'train'], truth)
    with building(out) as folder:
        save_toy_bodies(osp.join(folder, 'bodies.npz'), world, [crop for crop, _ in crops])
        rows = []
        for crop in track(chosen, description='turned people'):
            for angle, picture in zip(ANGLES_DEG, draw_turned(world, crop, ANGLES_DEG)):
                stem = osp.splitext(osp.basename(crop.name))[0]
                rows.append((f'turned_{stem}_{angle:03d}.png', crop.name, angle))
                cv2.imwrite(osp.join(folder, rows[-1][0]), picture[..., ::-1])
        with open(osp.join(folder, 'turned.csv'), 'w', newline='', encoding='utf-8') as file:
            csv.writer(file).writerows([('file', 'crop', 'angle'), *rows])
    return len(crops)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('scenes_root', help='folder of toy scenes')
    parser.add_argument('crops_root', help='folder of the crops cut from them')
    parser.add_argument('--out', required=True, help='new folder')
    parser.add_argument('--truth', type=int, default=40, help='number of crops whose turned views are drawn')
    parser.add_argument('--margin', type=float, default=0.05, help='the one that the crops were cut with')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    try:
        num = convert(**vars(parse_args(argv)))
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{num} bodies')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
