"""Write captions and attributes of toy crops, which were annotated when the scenes were rendered.

OUT gets ``toy.meta.json`` and ``toy.{train,test}.jsonl``, which ``PedestrianMultiModalDataset`` reads; paths are below
the folder of the crops. Queries and gallery together are the test split; crops of people without identity are left out.

Example::

    python tools/dataset_converters/describe_toy_crops.py data/toy data/toy_crops --out data/toy_crops
"""

import argparse
import csv
import os.path as osp
import re
import sys
from collections.abc import Iterator, Sequence

from pedsearch.datasets.multimodal import AttributeSchema, Caption, DescribedImage, write_annotations
from pedsearch.datasets.search_datasets.scene_file import load_json

PARTS = dict(train=('train', ), test=('query', 'gallery'))
NAME = re.compile(r'(?:train|query|gallery)/(\d+)_c(\d+)_(\d+)_\d+\.jpg')


def schema_of(names: Sequence[str]) -> AttributeSchema:
    """The scenes' attributes; colours of one garment exclude each other."""
    groups = {}
    for name in names:
        garment = name.split('_')[0]
        if garment in ('upper', 'lower', 'shoes', 'hair'):
            groups.setdefault(garment, []).append(name)
    return AttributeSchema(tuple(names), groups, tuple(map(tuple, groups.values())))


def describe(scenes_root: str, crops_root: str, split: str, first_id: int) -> Iterator[DescribedImage]:
    """The crops of a split with what the scenes say about the person."""
    data = load_json(osp.join(scenes_root, f'annotations/{split}.json'))
    people = {(entry['image_id'], entry['person_id']): entry for entry in data['annotations']}
    names = []
    for part in PARTS[split]:
        with open(osp.join(crops_root, f'{part}.csv'), newline='', encoding='utf-8') as file:
            names += [row['file'] for row in csv.DictReader(file)]
    matches = [match for match in map(NAME.fullmatch, sorted(names)) if match]
    pids = sorted({int(match[1]) for match in matches})
    for number, match in enumerate(matches):
        pid, camera, image = (int(value) for value in match.groups())
        entry = people.get((data['images'][image]['id'], pid))
        if entry is None or 'caption' not in entry:
            raise ValueError(f'crop {match[0]} must show a described person of image {image}, got none; give the '
                             'scenes that the crops were cut from')
        yield DescribedImage(
            first_id + number, match[0], split, pids.index(pid) if split == 'train' else pid, camera,
            (Caption(entry['caption'], 'template'), ), dict(toy=entry['attributes']))


def convert(scenes_root: str, crops_root: str, out: str) -> int:
    """Write everything, all or nothing; the number of crops."""
    info = load_json(osp.join(scenes_root, 'annotations/train.json'))
    if 'attribute_names' not in info:
        raise ValueError(f'{scenes_root} must hold toy scenes with attribute_names, got other scenes; render them with '
                         'tools/make_toy_scenes.py')
    images = list(describe(scenes_root, crops_root, 'train', 0))
    images += describe(scenes_root, crops_root, 'test', len(images))
    write_annotations(out, 'toy', images, dict(toy=schema_of(info['attribute_names'])),
                      license='rendered, no rights of others')
    return len(images)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('scenes_root', help='folder of toy scenes')
    parser.add_argument('crops_root', help='folder of the crops cut from them')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        num = convert(args.scenes_root, args.crops_root, args.out)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{num} crops described in {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
