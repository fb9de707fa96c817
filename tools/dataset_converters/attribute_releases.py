"""Write PA-100K, PETA, RAPv1 or RAPv2, people with attributes, for ``PedestrianMultiModalDataset``.

ANNOTATIONS is the release's .mat file: ``annotation.mat`` of PA-100K, ``PETA.mat`` with five random partitions (not the
text files of its ten sources), ``RAP_annotation.mat``. OUT gets ``<name>.meta.json`` and ``<name>.<split>.jsonl``.

* Attributes are those that papers evaluate, 26, 35, 51 and 54; --all-columns writes all of PETA, RAPv1 and RAPv2, with
  the evaluated ones as the schema's ``eval_index``. Names are the file's.
* A 2 in RAP means uncertain and becomes -1. Published figures count it as absent, which ``PedestrianAttributeMetric``
  does by default.
* Splits are those of the first of five random partitions, or of --partition. RAPv1 has train and test only. Published
  figures are of models trained on train and val: give --trainval, which makes one split of them.
  A folder with the val of an earlier conversion is refused.
* Identities are not written: what the four columns of PETA before the attributes mean is not documented (the second has
  8,699 different values), and those of RAPv2 belong to its re-identification protocol.
* PETA's files are numbered from 00001.png. Its variables and those of RAPv1 are told by their place in the file; totals
  are compared with the published ones.

Example::

    python tools/dataset_converters/attribute_releases.py pa100k data/pa100k/annotation.mat --out data/pa100k
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.progress import track
from scipy.io import loadmat

from pedsearch.datasets.multimodal import AttributeSchema, DescribedImage, write_annotations
from pedsearch.datasets.multimodal.annotations import UNKNOWN
from pedsearch.datasets.multimodal.attribute_schemas import (
    PA100K,
    PA100K_GROUPS,
    PETA,
    PETA_GROUPS,
    RAPV1,
    RAPV1_GROUPS,
    RAPV2,
    RAPV2_GROUPS,
    grouped_schema,
)
from pedsearch.datasets.multimodal.public_releases import describe_totals, image_path, totals_of


@dataclass(frozen=True)
class Table:
    """A release of N images: ``files`` (N,), ``names`` of all its A columns, ``values`` (N, A) as coded, ``columns``
    that are evaluated, and ``splits``, name -> rows from 0.
    """

    files: list[str]
    names: list[str]
    values: np.ndarray
    columns: list[int]
    splits: dict[str, np.ndarray]


def read_pa100k(path: str, partition: int) -> Table:
    """PA-100K, whose splits follow one another; it has no random partitions."""
    if partition:
        raise ValueError(f'pa100k has one partition, got --partition {partition}; leave it out')
    content = load(path, 'attributes', *(f'{split}_{key}' for split in ('train', 'val', 'test')
                                         for key in ('images_name', 'label')))
    files = {split: texts(content[f'{split}_images_name']) for split in ('train', 'val', 'test')}
    bounds = np.cumsum([0, *map(len, files.values())])
    splits = {split: np.arange(first, last) for split, first, last in zip(files, bounds, bounds[1:])}
    names = texts(content['attributes'])
    values = np.concatenate([np.atleast_2d(content[f'{split}_label']) for split in files])
    return Table(sum(files.values(), []), names, values, list(range(len(names))), splits)


def read_peta(path: str, partition: int) -> Table:
    """PETA, 4 columns and then 105 attributes."""
    data, names, _, partitions = fields(load(path, 'peta')['peta'], 4, path)[:4]
    files = [f'{number:05d}.png' for number in range(1, len(data) + 1)]
    return Table(files, texts(names), data[:, 4:], list(range(len(PETA.names))),
                 split_rows(partitions, partition, ('train', 'val', 'test'), path))


def read_rapv1(path: str, partition: int) -> Table:
    """RAPv1."""
    partitions, data, _, names, _, files = fields(load(path, 'RAP_annotation')['RAP_annotation'], 6, path)[:6]
    return Table(texts(files), texts(names), data, list(range(len(RAPV1.names))),
                 split_rows(partitions, partition, ('train', 'test'), path))


def read_rapv2(path: str, partition: int) -> Table:
    """RAPv2, which names what it has and says which columns are evaluated."""
    content = load(path, 'RAP_annotation')['RAP_annotation']
    for name in ('name', 'attribute', 'data', 'selected_attribute', 'partition_attribute'):
        if not hasattr(content, name):
            raise ValueError(f'{path}: RAP_annotation must have {name}, got {", ".join(content._fieldnames)}; take the '
                             'file of RAPv2')
    columns = (np.atleast_1d(content.selected_attribute).astype(int) - 1).tolist()
    return Table(texts(content.name), texts(content.attribute), content.data, columns,
                 split_rows(content.partition_attribute, partition, ('train', 'val', 'test'), path, '{}_index'))


READERS: dict[str, tuple[Callable[[str, int], Table], AttributeSchema, dict, str]] = {
    'pa100k': (read_pa100k, PA100K, PA100K_GROUPS, 'data'), 'peta': (read_peta, PETA, PETA_GROUPS, 'images'),
    'rapv1': (read_rapv1, RAPV1, RAPV1_GROUPS, 'RAP_dataset'),
    'rapv2': (read_rapv2, RAPV2, RAPV2_GROUPS, 'RAP_dataset')}
"""Data set -> reader, evaluated attributes, their groups, folder of the images."""


def load(path: str, *keys: str) -> dict[str, Any]:
    """Variables of a .mat file, without pickles.

    Raises:
        FileNotFoundError, ValueError: it is missing, no such file, or lacks one.
    """
    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False, appendmat=False)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path} does not exist; give the .mat file of the release') from None
    except Exception as error:  # foreign bytes break the reader anywhere
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise ValueError(f'{path} must be a MATLAB 5 file, got {reason}; give the .mat file of the release') from None
    missing = [key for key in keys if key not in content]
    if missing:
        found = ', '.join(key for key in content if not key.startswith('__')) or 'nothing'
        raise ValueError(f'{path} must hold {", ".join(keys)}, got {found}; give the .mat file of this data set')
    return content


def texts(cells: Any) -> list[str]:
    """Strings of a cell array, of the first column where there are more."""
    cells = np.atleast_1d(cells)
    return [str(cell).strip() for cell in (cells[:, 0] if cells.ndim > 1 else cells)]


def fields(struct: Any, least: int, path: str) -> list[Any]:
    """Values of a structure in the order of the file."""
    names = getattr(struct, '_fieldnames', [])
    if len(names) < least:
        raise ValueError(f'{path} must hold a structure of {least} fields or more, got {", ".join(names) or "none"}; '
                         'give the .mat file of this data set')
    return [getattr(struct, name) for name in names]


def split_rows(partitions: Any, chosen: int, splits: Sequence[str], path: str,
               form: str | None = None) -> dict[str, np.ndarray]:
    """Rows from 0 of each split of a random partition.

    Args:
        partitions: structures, or one; rows in them count from 1.
        chosen (int): which.
        splits (Sequence[str]): what it has.
        path (str): for messages.
        form (str | None): how the name of a field follows from a split; None: fields stand in the order of ``splits``.
    """
    partitions = np.atleast_1d(partitions)
    if not 0 <= chosen < len(partitions):
        raise ValueError(f'--partition must be from 0 to {len(partitions) - 1}, got {chosen}; papers use 0')
    rows = fields(partitions[chosen], len(splits), path)
    if form is not None:
        named = dict(zip(partitions[chosen]._fieldnames, rows))
        rows = [named.get(form.format(split), ()) for split in splits]
    return {split: np.atleast_1d(part).astype(int) - 1 for split, part in zip(splits, rows)}


def check(table: Table, name: str, path: str) -> None:
    """Stop where numbers do not fit one another."""
    expected = len(table.files), len(table.names)
    if table.values.shape != expected:
        raise ValueError(f'{path} must have a value for each of {expected[0]} images and {expected[1]} attributes, got '
                         f'{table.values.shape}; take the file of {name}')
    wanted = len(READERS[name][1].names)
    if len(table.columns) != wanted or not 0 <= min(table.columns) <= max(table.columns) < expected[1]:
        raise ValueError(f'{path} must have the {wanted} evaluated attributes of {name}, got {len(table.columns)} of '
                         f'{expected[1]}; take the file of {name}')
    rows = np.concatenate(list(table.splits.values()))
    if min(map(len, table.splits.values())) == 0:
        raise ValueError(f'{path} must have images of each of {", ".join(table.splits)}, got '
                         f'{", ".join(str(len(part)) for part in table.splits.values())}; take the file of {name}')
    if rows.min() < 0 or rows.max() >= expected[0] or len(np.unique(rows)) < len(rows):
        again = len(rows) - len(np.unique(rows))
        raise ValueError(f'{path}: splits must name each of {expected[0]} images once at most, got rows from '
                         f'{rows.min() + 1} to {rows.max() + 1} and {again} of them again; take the file of {name}')


def decode(values: np.ndarray, names: Sequence[str], uncertain: bool) -> np.ndarray:
    """Codes (N, A) as 1, 0 and, for RAP's 2, -1.

    Raises:
        ValueError: there is another code; the message names the attribute.
    """
    labels = values.astype(int)
    labels[labels == 2] = UNKNOWN if uncertain else 2
    strange = np.argwhere(~np.isin(labels, (0, 1, UNKNOWN) if uncertain else (0, 1)) | (values == UNKNOWN))
    if len(strange):
        row, column = strange[0]
        allowed = '0, 1 or 2' if uncertain else '0 or 1'
        raise ValueError(f'attribute {names[column]} must be {allowed}, got {values[row, column]} for image {row + 1}; '
                         'leave --all-columns out, or take the file of the release')
    return labels


def describe(table: Table, name: str, folder: str, all_columns: bool) -> tuple[list[DescribedImage], AttributeSchema]:
    """The images of a release, in the order of its file, and what their attributes are called."""
    _, _, groups, _ = READERS[name]
    places = {group: [table.columns[place] for place in members] for group, members in groups.items()}
    if all_columns:
        columns, names = list(range(len(table.names))), table.names
    else:
        columns, names, places = table.columns, [table.names[column] for column in table.columns], groups
    labels = decode(table.values[:, columns], names, uncertain=name.startswith('rap')).tolist()
    split_of = {int(row): split for split, rows in table.splits.items() for row in rows}
    images = [DescribedImage(row, image_path(folder, table.files[row]), split_of[row], attrs={name: labels[row]})
              for row in track(sorted(split_of), description=name)]
    return images, grouped_schema(names, places)


def renamed(table: Table, name: str) -> list[str]:
    """Attributes that the file calls otherwise than we know them."""
    return [f'column {column + 1} is {table.names[column]!r}, expected {known!r}'
            for column, known in zip(table.columns, READERS[name][1].names) if table.names[column] != known]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('name', choices=sorted(READERS), help='which data set')
    parser.add_argument('annotations', help='.mat file of the release')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--images', help='folder of the images, below that of the data set; default: data (PA-100K), '
                        'images (PETA), RAP_dataset (RAP)')
    parser.add_argument('--partition', type=int, default=0, help='random partition; default: %(default)s, as in papers')
    parser.add_argument('--trainval', action='store_true', help='put the validation images into the training split')
    parser.add_argument('--all-columns', action='store_true', help='all attributes, not only the evaluated ones')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        read, _, _, folder = READERS[args.name]
        table = read(args.annotations, args.partition)
        check(table, args.name, args.annotations)
        images, schema = describe(table, args.name, folder if args.images is None else args.images, args.all_columns)
        totals = totals_of(images)
        if args.trainval:
            images = [replace(image, split='train') if image.split == 'val' else image for image in images]
        write_annotations(args.out, args.name, images, {args.name: schema}, license='see the release')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(describe_totals(args.name, totals))
    if args.trainval and 'val' in totals:
        print(f'train holds val, too: {totals["train"].images + totals["val"].images:,} images')
    for line in renamed(table, args.name):
        print(f'note: {line}; the groups of the schema may not fit')
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
