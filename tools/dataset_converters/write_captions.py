"""Add captions, made of the attributes, to annotation files whose images have none.

OUT gets the same files with captions of source 'template'; it may be FOLDER itself, a file is replaced when the new one
is complete. What an image already has stays. Everything is drawn from --seed, for each image on its own, so other
images change nothing.

Example::

    python tools/dataset_converters/write_captions.py data/pa100k pa100k --out data/pa100k --captions 2
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.progress import track

from pedsearch.datasets.multimodal import AnnotationFile, DescribedImage, write_annotations
from pedsearch.datasets.multimodal.annotations import SPLITS
from pedsearch.datasets.multimodal.template_captions import template_captions


def described(source: AnnotationFile, schema: str, num: int, seed: int) -> Iterator[DescribedImage]:
    """All images of all splits; those without captions, but with attributes of the schema, get some.

    Args:
        source (AnnotationFile): what there is.
        schema (str): the attributes that captions are made of.
        num (int): captions drawn for an image, equal ones count once.
        seed (int): decides the words.
    """
    names = source.schema(schema).names
    for split in source.splits():
        for image in track(source.read(split), description=split):
            if not image.captions and schema in image.attrs:
                key = seed, SPLITS.index(split), image.image_id
                image = replace(image, captions=template_captions(names, image.attrs[schema], num, key))
            yield image


def only_schema(source: AnnotationFile) -> str:
    """The schema of a file that has one.

    Raises:
        ValueError: it has none, or several.
    """
    if not source.schemas:
        raise ValueError(f'{source.name} must have attributes to make captions of, got none; tools/annotate_crops.py '
                         'finds some in the pictures')
    if len(source.schemas) > 1:
        raise ValueError(f'{source.name} must have one attribute schema, got {", ".join(source.schemas)}; choose one '
                         'with --schema')
    return next(iter(source.schemas))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('folder', help='where the annotation files are')
    parser.add_argument('name', help='how they begin')
    parser.add_argument('--out', required=True, help='folder for the new ones')
    parser.add_argument('--schema', help='attributes to make captions of; default: the only ones')
    parser.add_argument('--captions', type=int, default=2,
                        help='captions drawn for an image, equal ones once; default: %(default)s')
    parser.add_argument('--seed', type=int, default=0)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        if args.captions < 1 or args.seed < 0:
            raise ValueError(f'--captions must be >= 1 and --seed >= 0, got {args.captions} and {args.seed}')
        source = AnnotationFile(args.folder, args.name)
        images = list(described(source, args.schema or only_schema(source), args.captions, args.seed))
        kept = {key: value for key, value in source.meta.items()
                if key not in ('schema_version', 'dataset', 'counts', 'attribute_schemas')}
        write_annotations(args.out, args.name, images, source.schemas, **kept)
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    made = sum(caption.source == 'template' for image in images for caption in image.captions)
    silent = sum(not image.captions for image in images)
    print(f'{made} captions of templates for {len(images)} images in {args.out}'
          + (f'; {silent} have none: nothing is known that could be said' if silent else ''))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
