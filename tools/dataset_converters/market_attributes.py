"""Write Market-1501 with its attributes, and captions made of them, for ``PedestrianMultiModalDataset``.

OUT gets ``market1501.meta.json`` and ``market1501.{train,test,query}.jsonl``; paths are below the data root. The file
of attributes names people, so every photo of a person has the same; codes 1 and 2 become 0 and 1, ages one column each.
Test is the gallery without distractors.

Example::

    python tools/dataset_converters/market_attributes.py data/market1501 market_attribute.mat --out data/market1501
"""

import argparse
import os.path as osp
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.io import loadmat

from pedsearch.datasets import Market1501Dataset
from pedsearch.datasets.multimodal import AttributeSchema, Caption, DescribedImage, write_annotations, write_caption

AGES = 'young', 'teenager', 'adult', 'old'
BINARY = dict(female='gender', long_hair='hair', short_sleeves='up', short_lower='down', hat='hat', backpack='backpack',
              bag='bag', handbag='handbag')
UPPER = 'black', 'white', 'red', 'purple', 'yellow', 'grey', 'blue', 'green'
LOWER = 'black', 'white', 'pink', 'purple', 'yellow', 'grey', 'blue', 'green', 'brown'
GARMENTS = dict(upper=('up', UPPER), lower=('down', LOWER))
COLORS = {f'{garment}_{color}': prefix + color.replace('grey', 'gray')
          for garment, (prefix, colors) in GARMENTS.items() for color in colors}
NAMES = (*BINARY, 'dress', *AGES, *COLORS)
GROUPS = dict(age=list(AGES)) | {garment: [f'{garment}_{color}' for color in colors]
                                 for garment, (_, colors) in GARMENTS.items()}
SCHEMA = AttributeSchema(NAMES, GROUPS, (AGES, ))


def read_people(path: str) -> dict[int, list[int]]:
    """Identity -> 0/1 values of :data:`NAMES`, of both splits.

    Fields are read by name: the two splits have them in different order.
    """
    people = {}
    table = loadmat(path, squeeze_me=True, struct_as_record=False).get('market_attribute')
    if table is None:
        raise ValueError(f'{path} must hold market_attribute, got another file; take market_attribute.mat')
    for split in ('train', 'test'):
        part = getattr(table, split)
        columns = [getattr(part, field) == 2 for field in BINARY.values()]
        columns += [part.clothes == 1, *(part.age == code for code in range(1, 5))]
        columns += [getattr(part, field) == 2 for field in COLORS.values()]
        values = np.stack(columns, axis=1).astype(int).tolist()
        people.update(zip(map(int, part.image_index), values))
    return people


def describe(data_root: str, people: dict[int, list[int]], num_captions: int, seed: int) -> Iterator[DescribedImage]:
    """All photos of people with attributes."""
    number = 0
    for split in ('train', 'test'):
        dataset = Market1501Dataset(data_root, split)
        for index in range(len(dataset)):
            info = dataset.get_data_info(index)
            person = int(osp.basename(info['name']).split('_')[0])
            if person not in people:
                continue
            attributes = dict(zip(NAMES, people[person]))
            rng = np.random.default_rng((seed, number))
            texts = dict.fromkeys(write_caption(attributes, rng) for _ in range(num_captions))
            yield DescribedImage(number, info['name'], 'query' if info.get('is_query') else split, info['pid'],
                                 info['camid'], tuple(Caption(text, 'template') for text in texts),
                                 dict(market=people[person]))
            number += 1


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('data_root', help='folder of Market-1501')
    parser.add_argument('attributes', help='market_attribute.mat')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--captions', type=int, default=2, help='captions drawn for a photo, equal ones once')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.captions < 0:
            raise ValueError(f'--captions must be >= 0, got {args.captions}')
        images = list(describe(args.data_root, read_people(args.attributes), args.captions, args.seed))
        write_annotations(args.out, 'market1501', images, dict(market=SCHEMA), license='research only')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{len(images)} photos described in {args.out}')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
