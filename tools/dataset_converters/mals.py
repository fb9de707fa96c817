"""Write MALS, drawn people with a caption and 27 attributes each, for ``PedestrianMultiModalDataset``.

ANNOTATIONS are the release's JSON files (``gene_attrs/g_*_attrs.json``); paths are as they say, below the folder of
images. OUT gets ``mals.meta.json`` and ``mals.train.jsonl``: the release has no other split.

* A label is the place in a pair of phrases, so 0 means "with a hat". Labels are turned so that 1 means what the
  attribute is called; -1 is unknown. ``attribute_schemas.py`` of the package has the pairs.
* Captions are of source 'mllm'. Nobody is an identity (pid -1): ``image_id`` of the release numbers pictures.

Check the polarity on some pictures before you train: a caption about a cap belongs to a 1 in ``hat``.

Example::

    python tools/dataset_converters/mals.py data/mals/gene_attrs/*.json --out data/mals
"""

import argparse
import sys
from collections.abc import Sequence

from rich.progress import track

from pedsearch.datasets.multimodal import DescribedImage, write_annotations
from pedsearch.datasets.multimodal.annotations import UNKNOWN
from pedsearch.datasets.multimodal.attribute_schemas import MALS, MALS_HOLDS
from pedsearch.datasets.multimodal.public_releases import (
    describe_totals,
    image_path,
    read_rows,
    released_captions,
    totals_of,
)

NAME = 'mals'


def label(codes: list[int]) -> list[int]:
    """1, 0 or -1 of places in pairs of phrases.

    Args:
        codes (list[int]): 27 of 0, 1 and -1.

    Raises:
        ValueError: they are other values, or not 27.
    """
    if not isinstance(codes, list) or len(codes) != len(MALS_HOLDS) or not set(codes) <= {0, 1, UNKNOWN}:
        raise ValueError(f'label must be a list of {len(MALS_HOLDS)} of 0, 1 and -1, got {codes!r}')
    return [UNKNOWN if code == UNKNOWN else int(code == holds) for code, holds in zip(codes, MALS_HOLDS.values())]


def describe(paths: Sequence[str], folder: str) -> list[DescribedImage]:
    """All images of some files.

    Raises:
        FileNotFoundError, ValueError: a file is missing, not of this data set, or lists an image again.
    """
    images, seen = [], {}
    for path in track(paths, description=NAME):
        for number, row in enumerate(read_rows(path, ('image', 'caption', 'label')), start=1):
            where = f'{path}, entry {number}'
            try:
                name = image_path(folder, row['image'])
                captions = released_captions([row['caption']], 'mllm')
                attributes = label(row['label'])
            except ValueError as error:
                raise ValueError(f'{where}: {error}; take the files of the release') from None
            if name in seen:
                raise ValueError(f'{where}: every image must be listed once, got {name} again, first in {seen[name]}; '
                                 'name each file once')
            seen[name] = where
            images.append(DescribedImage(len(images), name, 'train', captions=captions, attrs={NAME: attributes}))
    return images


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('annotations', nargs='+', help='JSON files of the release')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--images', default='', help='folder to put before the paths; default: none')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        images = describe(args.annotations, args.images)
        write_annotations(args.out, NAME, images, {NAME: MALS}, license='research only')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(describe_totals(NAME, totals_of(images)))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
