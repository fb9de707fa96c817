"""Turn frames of PRW with a COCO-style json (``person_id`` per annotation) into scenes of our own.

For a part of PRW, for example some frames of its training split: the frames of every camera are divided by time, the
first ones for training, and the camera is read from the file name. No protocol is written, so that the dataset takes
the first box of each person in each camera as a query and every other image as its gallery.

Example::

    python tools/dataset_converters/prw_json_to_scenes.py train_pid.json frames --out data/prw_scenes
"""

import argparse
import os
import os.path as osp
import shutil
from collections import defaultdict
from collections.abc import Sequence

from pedsearch.datasets.search_datasets.prw import parse_camid
from pedsearch.datasets.search_datasets.scene_file import load_json, write_scenes


def split_by_time(file_names: Sequence[str], train_fraction: float) -> dict[str, list[str]]:
    """Divide frame names into training and test, camera by camera in the order of time.

    Raises:
        ValueError: A split would be empty.
    """
    cameras = defaultdict(list)
    for name in sorted(file_names):
        cameras[parse_camid(name)].append(name)
    parts: dict[str, list[str]] = dict(train=[], test=[])
    for names in cameras.values():
        num_train = round(train_fraction * len(names))
        parts['train'] += names[:num_train]
        parts['test'] += names[num_train:]
    if not all(parts.values()):
        raise ValueError(f'both splits need a frame, got {len(parts["train"])} for training and {len(parts["test"])} '
                         'for testing; change --train-fraction')
    return parts


def convert(content: dict, frame_dir: str, out: str, train_fraction: float) -> dict[str, tuple[int, int]]:
    """Write the dataset; return (images, boxes) of each split."""
    images = {image['file_name']: image for image in content['images']}
    annotations = defaultdict(list)
    for annotation in content['annotations']:
        annotations[annotation['image_id']].append(annotation)
    os.makedirs(osp.join(out, 'images'), exist_ok=True)
    counts = {}
    for split, names in split_by_time(list(images), train_fraction).items():
        boxes = [dict(image_id=index, bbox=annotation['bbox'], person_id=annotation['person_id'])
                 for index, name in enumerate(names) for annotation in annotations[images[name]['id']]]
        for name in names:
            shutil.copyfile(osp.join(frame_dir, name), osp.join(out, 'images', name))
        listed = [dict(id=index, file_name=name, width=images[name]['width'], height=images[name]['height'],
                       camera_id=parse_camid(name)) for index, name in enumerate(names)]
        write_scenes(out, split, listed, boxes, description='frames of PRW')
        counts[split] = len(listed), len(boxes)
    return counts


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('json', help='COCO-style annotations of exactly these frames')
    parser.add_argument('frames', help='folder of the frames')
    parser.add_argument('--out', required=True, help='folder of the new dataset')
    parser.add_argument('--train-fraction', type=float, default=0.5, help='share of the frames for training')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    for split, (images, boxes) in convert(load_json(args.json), args.frames, args.out, args.train_fraction).items():
        print(f'{split}: {images} images, {boxes} boxes')


if __name__ == '__main__':
    main()
