"""Write CUHK-PEDES, ICFG-PEDES, RSTPReid or UFine6926, people with captions, for ``PedestrianMultiModalDataset``.

ROOT is the folder of the release; paths are below it. OUT gets ``<name>.meta.json`` and ``<name>.<split>.jsonl``.

* Splits are those that the file says. The folders ``train`` and ``test`` of ICFG-PEDES are MSMT17's and mean nothing.
* Training identities are counted from 0 without gaps (those of CUHK-PEDES begin at 1); in validation and test they stay
  as released, where they mean other people than in training.
* All captions stay, repeated ones too: each is a query. Blank ones are left out and counted.
* UFine6926: its file and the beginning of its numbers of training identities are not known to us. Give the file with
  --annotations; identities are taken in rising order. A caption has about 81 words, more than 77 tokens hold.

ICFG-PEDES and RSTPReid show pictures of MSMT17, and CUHK-PEDES shows some of CUHK03, Market-1501 and CUHK-SYSU: a model
that was trained on them is no fair contestant there.

Example::

    python tools/dataset_converters/caption_releases.py cuhk-pedes data/cuhk_pedes --out data/cuhk_pedes
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.progress import track

from pedsearch.datasets.multimodal import DescribedImage, write_annotations
from pedsearch.datasets.multimodal.public_releases import (
    describe_totals,
    find_file,
    image_path,
    number_identities,
    read_rows,
    released_captions,
    totals_of,
)


@dataclass(frozen=True)
class Layout:
    """A release: names of its file, field of the path, first training identity (None: unknown), its splits."""

    files: tuple[str, ...]
    path_field: str = 'file_path'
    first_id: int | None = 0
    splits: tuple[str, ...] = ('train', 'val', 'test')


LAYOUTS = {
    'cuhk-pedes': Layout(('reid_raw.json', ), first_id=1),
    'icfg-pedes': Layout(('ICFG-PEDES.json', 'ICFG_PEDES.json'), splits=('train', 'test')),
    'rstpreid': Layout(('data_captions.json', ), path_field='img_path'),
    'ufine6926': Layout((), first_id=None)}


def describe(path: str, name: str, folder: str, renumber: bool = False) -> tuple[list[DescribedImage], int]:
    """The images of a release, and how many blank captions were left out.

    Args:
        path (str): its JSON file.
        name (str): a key of :data:`LAYOUTS`.
        folder (str): where the images are, below the root.
        renumber (bool): take training identities in rising order whatever they are.

    Raises:
        FileNotFoundError, ValueError: the file is missing or not of this data set; the message names the entry.
    """
    layout = LAYOUTS[name]
    rows = read_rows(path, ('split', layout.path_field, 'id', 'captions'))
    number_identities((row['id'] for row in rows), None, name)
    first = None if renumber else layout.first_id
    pids = number_identities((row['id'] for row in rows if row['split'] == 'train'), first, name)
    images, blank = [], 0
    for number, row in enumerate(track(rows, description=name)):
        try:
            if row['split'] not in layout.splits:
                raise ValueError(f'split must be one of {", ".join(layout.splits)}, got {row["split"]!r}')
            captions = released_captions(row['captions'])
            image = image_path(folder, row[layout.path_field])
        except ValueError as error:
            raise ValueError(f'{path}, entry {number + 1}: {error}; take the file of the release') from None
        blank += len(row['captions']) - len(captions)
        pid = pids[row['id']] if row['split'] == 'train' else row['id']
        images.append(DescribedImage(number, image, row['split'], pid, captions=captions))
    return images, blank


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=sorted(LAYOUTS), help='which data set')
    parser.add_argument('root', help='folder of the release')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--annotations', help='JSON file of the release; default: looked for in ROOT')
    parser.add_argument('--images', default='imgs', help='folder of the images below ROOT; default: %(default)s')
    parser.add_argument('--renumber', action='store_true', help='allow gaps in the training identities')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        files = LAYOUTS[args.name].files
        if args.annotations is None and not files:
            raise ValueError(f'{args.name} needs --annotations FILE, got none; the name of its file is not known to us')
        path = args.annotations or find_file(args.root, files)
        images, blank = describe(path, args.name, args.images, args.renumber)
        write_annotations(args.out, args.name, images, license='see the release')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(describe_totals(args.name, totals_of(images)))
    if blank:
        print(f'note: {blank} blank captions left out')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
