"""Compose scenes with real people: crops of a re-identification dataset, pasted into pictures of places.

The scenes are as crowded as PRW's. All people of a scene come from one camera of the crops, which becomes the camera of
the scene and has a place of its own. Nobody is in a scene twice; training and test people are those of the crops'
splits. Some people are bystanders without identity; they are nobody else. The new folder is in the own-data format,
made whole or not at all, and does not depend on the number of workers. What is composed from real people is under the
licence of their crops: keep it to yourself.

Example::

    python tools/dataset_converters/compose_scenes.py market1501 data/market1501 --out data/composed
    python tools/dataset_converters/compose_scenes.py crops my_crops --out data/composed --backgrounds places
"""

import argparse
import os
import os.path as osp
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from scene_backgrounds import View, build_views, load
from scene_casting import ScenePlan, choose_people, plan_scenes
from scene_composition import compose, cut_out, place_people
from scenes_to_crops import building

from pedsearch.datasets import CropDataset, DukeMTMCDataset, Market1501Dataset, MSMT17Dataset, SearchSceneDataset
from pedsearch.datasets.search_datasets.scene_file import write_scenes
from pedsearch.mesh.scene_writer import build_protocol
from pedsearch.structures import UNLABELED

DATASETS = dict(market1501=Market1501Dataset, duke=DukeMTMCDataset, msmt17=MSMT17Dataset, crops=CropDataset)
SPLITS = ('train', 'test')
QUERY_VISIBILITY = 0.7
JPEG_QUALITY = 95


@dataclass(frozen=True)
class Studio:
    """What all scenes share: where they go, where the paths of the crops begin, cameras, ``size`` (H, W), options."""

    folder: str
    crop_root: str
    views: dict[int, View]
    size: tuple[int, int]
    min_visibility: float
    seed: int


def write_scene(studio: Studio, plan: ScenePlan) -> dict:
    """Compose a scene, write it, and return its ``image`` entry with its ``people``.

    An entry of ``people`` has ``bbox`` (x, y, w, h of the body, hidden parts included), ``visibility`` and ``crop``,
    the file that it was made of.
    """
    rng = np.random.default_rng([studio.seed, 2, SPLITS.index(plan.split), plan.index])
    view = studio.views[plan.camid]
    background = view.draw(studio.size, rng)
    cutouts = [cut_out(load(figure.path)) for figure in plan.figures]
    boxes = place_people([cutout.ratio for cutout in cutouts], view.perspective, studio.size, rng)
    img, boxes, shares = compose(background, cutouts, boxes, studio.min_visibility)
    img = np.clip(img * rng.uniform(0.85, 1.1), 0, 255).astype(np.uint8)  # the hour of the day
    camid = plan.camid if plan.camid >= 0 else None
    name = f'{plan.split}_{plan.index:06d}.jpg' if camid is None else f'{plan.split}_c{camid}_{plan.index:06d}.jpg'
    cv2.imwrite(osp.join(studio.folder, name), img, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    people = [
        dict(
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            person_id=figure.pid,
            visibility=round(share, 4),
            crop=osp.relpath(figure.path, studio.crop_root))
        for figure, (x1, y1, x2, y2), share in zip(plan.figures, boxes.tolist(), shares.tolist()) if share > 0
    ]
    height, width = studio.size
    return dict(
        image=dict(id=plan.index, file_name=name, width=width, height=height, camera_id=camid), people=people)


def write_all(studio: Studio, plans: Sequence[ScenePlan], workers: int) -> Iterator[dict]:
    """Yield what :func:`write_scene` returns for each scene, in order.

    Threads do: nearly all of the time is spent in OpenCV and NumPy, which let others run meanwhile.
    """
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(lambda plan: write_scene(studio, plan), plans)


def write_annotations(folder: str, split: str, scenes: Sequence[dict], description: str) -> None:
    """Write the annotations of a split; of the test split also the protocol.

    Every person is searched for once per camera, by the most visible, then the largest box, in all other images.
    """
    images = [scene['image'] for scene in scenes]
    annotations = [dict(person, image_id=scene['image']['id']) for scene in scenes for person in scene['people']]
    queries = build_protocol(scenes, QUERY_VISIBILITY, per_id=len(scenes)) if split == 'test' else None
    if queries == []:
        raise ValueError(f'nobody is in two of the {len(scenes)} test scenes, so nobody can be searched for; ask for '
                         'more --scenes or fewer --ids')
    write_scenes(folder, split, images, annotations, queries, description=description)


def compose_dataset(args: argparse.Namespace) -> dict[str, list[dict]]:
    """Write the dataset; return what :func:`write_scene` returned, by split.

    Raises:
        ValueError: An option is out of range, or crops or backgrounds are not as needed.
        FileExistsError: ``args.out`` is not empty.
        FileNotFoundError: Crops or backgrounds are missing.
    """
    check_options(args)
    options = dict(camera_pattern=args.camera_pattern) if args.dataset == 'crops' else {}
    size, columns = tuple(args.size[::-1]), (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                                             TimeElapsedColumn(), TimeRemainingColumn())
    with building(args.out) as folder, Progress(*columns) as progress:
        plans, first = [], 0
        for number, split in enumerate(SPLITS):
            dataset = DATASETS[args.dataset](args.data_root, split, **options)
            rng = np.random.default_rng([args.seed, 0, number])
            people = choose_people(dataset, args.ids and args.ids[number], first, rng)
            plans += plan_scenes(dataset, people, args.scenes[number], args.people, args.unlabelled, rng)
            first += sum(pid != UNLABELED for pid in people.values())
        camids = sorted({plan.camid for plan in plans})
        views = build_views(camids, size, args.seed, args.backgrounds, args.median)
        images = osp.join(folder, SearchSceneDataset.IMAGE_DIR)
        os.makedirs(images)
        studio = Studio(images, args.data_root, views, size, args.min_visibility, args.seed)
        scenes: dict[str, list[dict]] = {split: [] for split in SPLITS}
        written = write_all(studio, plans, args.workers)
        for scene, plan in zip(progress.track(written, len(plans), description='scenes'), plans):
            scenes[plan.split].append(scene)
        for split in SPLITS:
            write_annotations(folder, split, scenes[split], f'People of {args.dataset}, pasted; seed {args.seed}')
    return scenes


def check_options(args: argparse.Namespace) -> None:
    """Raise ValueError where an option is out of range."""
    mean, most = args.people
    for name, is_good, expected in (
        ('scenes', min(args.scenes) >= 1, 'two numbers from 1'),
        ('size', min(args.size) >= 64, 'width and height from 64 pixels'),
        ('people', 1 <= mean <= most and most == int(most), 'a mean from 1 and a whole number that is not smaller'),
        ('unlabelled', 0 <= args.unlabelled < 1, 'a share from 0 to less than 1'),
        ('min-visibility', 0 < args.min_visibility <= 1, 'a share of more than 0, to 1'),
        ('workers', args.workers >= 1, 'a number from 1'),
        ('median', args.backgrounds or not args.median, '--backgrounds beside it, the frames to take the median of'),
    ):
        if not is_good:
            raise ValueError(f'--{name}: expected {expected}, got {getattr(args, name.replace("-", "_"))}')


def summarize(split: str, scenes: Sequence[dict]) -> str:
    """What a split holds, in one line."""
    counts = [len(scene['people']) for scene in scenes]
    people = [person for scene in scenes for person in scene['people']]
    pids = [person['person_id'] for person in people]
    heights = np.percentile([person['bbox'][3] for person in people], (0, 50, 100))
    bystanders = pids.count(UNLABELED) / len(pids)
    return (f'{split}: {len(scenes)} images, {len(people)} boxes ({np.mean(counts):.2f} per image, at most '
            f'{max(counts)}; {bystanders:.0%} of bystanders), {len({*pids} - {UNLABELED})} identities, '
            f'heights {heights[0]:.0f} to {heights[2]:.0f} px, median {heights[1]:.0f}')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument('dataset', choices=list(DATASETS), help='layout of the crops; "crops" are own data')
    parser.add_argument('data_root', help='folder of the crops')
    parser.add_argument('--out', required=True, help='folder of the new dataset')
    parser.add_argument('--backgrounds', nargs='+', metavar='PATH', help='folders of pictures of places without '
                        'people: a sub-folder or a picture is a place; default: rendered places')
    parser.add_argument('--median', action='store_true', help='the backgrounds are frames or videos of static cameras '
                        'with people: take the median of each')
    parser.add_argument('--scenes', nargs=2, type=int, default=[2000, 500], metavar=('TRAIN', 'TEST'))
    parser.add_argument('--ids', nargs=2, type=int, metavar=('TRAIN', 'TEST'),
                        help='people with an identity, the others are bystanders; default: four of five')
    parser.add_argument('--size', nargs=2, type=int, default=[960, 540], metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--people', nargs=2, type=float, default=[3.16, 14], metavar=('MEAN', 'MOST'),
                        help='in a scene')
    parser.add_argument('--unlabelled', type=float, default=0.17, help='share of bystanders among the people')
    parser.add_argument('--min-visibility', type=float, default=0.3, help='who is less visible is not pasted')
    parser.add_argument('--camera-pattern', help=r'of "crops": finds the camera in a file name, such as "_c(\d+)"')
    parser.add_argument('--workers', type=int, default=2, help='threads; the files do not depend on it')
    parser.add_argument('--seed', type=int, default=0, help='everything is drawn from it')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        scenes = compose_dataset(args)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    for split in SPLITS:
        print(summarize(split, scenes[split]))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
