"""What converters of public data sets share: files of rows, paths, and the totals that papers state."""

import json
import os
import os.path as osp
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pedsearch.structures import UNLABELED

from .annotations import SPLITS, Caption, DescribedImage


@dataclass(frozen=True)
class Totals:
    """How much there is of a split, or of all; None: nobody states it. Captions of source 'template' do not count."""

    images: int | None = None
    captions: int | None = None
    identities: int | None = None


EVERYTHING = 'all'
PUBLISHED: dict[str, dict[str, tuple[Totals, ...]]] = {
    'cuhk-pedes': dict(train=(Totals(34054, 68126, 11003), ), val=(Totals(3078, 6158, 1000), ),
                       test=(Totals(3074, 6156, 1000), )),
    'icfg-pedes': dict(train=(Totals(34674, 34674, 3102), ), test=(Totals(19848, 19848, 1000), )),
    'rstpreid': dict(train=(Totals(18505, 37010, 3701), ), val=(Totals(1000, 2000, 200), ),
                     test=(Totals(1000, 2000, 200), )),
    'ufine6926': dict(all=(Totals(26206, 52412, 6926), )),
    'synth-pedes': dict(all=(Totals(4791771, 12138157, 312321), Totals(4791711, 12138157, 312321))),
    'mals': dict(all=(Totals(1510330, 1510330), )),
    'pa100k': dict(train=(Totals(80000), ), val=(Totals(10000), ), test=(Totals(10000), )),
    'peta': dict(train=(Totals(9500), ), val=(Totals(1900), ), test=(Totals(7600), )),
    'rapv1': dict(train=(Totals(33268), ), test=(Totals(8317), )),
    'rapv2': dict(train=(Totals(50957), ), val=(Totals(16986), ), test=(Totals(16985), ))}
"""Data set -> split or 'all' -> totals as published; of SYNTH-PEDES two numbers of images are in print."""


def totals_of(images: Iterable[DescribedImage]) -> dict[str, Totals]:
    """Totals of every split that has images, and of ``'all'``, where identities of splits add up."""
    counts: dict[str, list[int]] = {}
    people: dict[str, set[int]] = {}
    for image in images:
        count = counts.setdefault(image.split, [0, 0])
        count[0] += 1
        count[1] += sum(caption.source != 'template' for caption in image.captions)
        people.setdefault(image.split, set()).add(image.pid)
    found = {split: Totals(*counts[split], len(people[split] - {UNLABELED})) for split in SPLITS if split in counts}
    parts = list(found.values())
    return {**found, EVERYTHING: Totals(*(sum(getattr(part, key) for part in parts) for key in vars(Totals())))}


def compare_totals(name: str, found: Mapping[str, Totals]) -> list[str]:
    """Where totals differ from the published ones.

    Args:
        name (str): a key of :data:`PUBLISHED`.
        found (Mapping[str, Totals]): of :func:`totals_of`.

    Returns:
        list[str]: a line for each number that differs, empty if all agree.

    Example:
        >>> compare_totals('rapv1', dict(train=Totals(33268, 0, 0), test=Totals(8000, 0, 0)))
        ['test: 8,000 images, published are 8,317']
    """
    lines = []
    for split, wanted in PUBLISHED[name].items():
        have = found.get(split, Totals(0, 0, 0))
        for key in vars(Totals()):
            numbers = [getattr(option, key) for option in wanted if getattr(option, key) is not None]
            if numbers and getattr(have, key) not in numbers:
                stated = ' or '.join(f'{number:,}' for number in dict.fromkeys(numbers))
                lines.append(f'{split}: {getattr(have, key):,} {key}, published are {stated}')
    lines += [f'{split}: {found[split].images:,} images, published are none' for split in found
              if split not in PUBLISHED[name] and EVERYTHING not in PUBLISHED[name] and split != EVERYTHING]
    return lines


def describe_totals(name: str, found: Mapping[str, Totals]) -> str:
    """What a converter wrote, a line for each split, and where it differs from what is published.

    Args:
        name (str): a key of :data:`PUBLISHED`.
        found (Mapping[str, Totals]): of :func:`totals_of`.
    """
    lines = [f'{split}: ' + ', '.join(f'{number:,} {key}' for key, number in vars(totals).items())
             for split, totals in found.items()]
    differences = compare_totals(name, found)
    lines += [f'note: {line}' for line in differences]
    if differences:
        lines.append('note: this is a part, a mirror or another edition; results are not those of the published data')
    return '\n'.join(lines)


def find_file(root: str, names: Sequence[str]) -> str:
    """The first of several spellings of a file that a release has.

    Raises:
        FileNotFoundError: it has none.
    """
    for name in names:
        if osp.isfile(osp.join(root, name)):
            return osp.join(root, name)
    raise FileNotFoundError(f'{root} must contain {" or ".join(names)}, got no such file; give the folder of the '
                            'release, or the file with --annotations')


def read_rows(path: str, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Read a JSON list of objects that all have some fields.

    Args:
        path (str): the file.
        fields (Sequence[str]): what every entry must have; what else it has is left alone.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such list, or an entry lacks a field; the message names file and entry, counted from 1.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; give the annotations of the release')
    with open(path, encoding='utf-8') as file:
        try:
            rows = json.load(file)
        except ValueError as error:  # of JSON, and of bytes that are no text
            raise ValueError(f'{path} must be JSON, got {str(error).splitlines()[0]}; copy it again') from None
    if not isinstance(rows, list) or not rows:
        found = 'an empty list' if rows == [] else type(rows).__name__
        raise ValueError(f'{path} must be a list with an entry for each image, got {found}; give the annotations of '
                         'the release')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or any(field not in row for field in fields):
            found = ', '.join(row) if isinstance(row, dict) else repr(row)
            raise ValueError(f'{path}, entry {number} must have {", ".join(fields)}, got {found}; give the annotations '
                             'of this data set')
    return rows


def image_path(folder: str, path: str) -> str:
    r"""A path of a release below the folder of the images, with ``/`` between its parts.

    Args:
        folder (str): the images' folder of the release; empty for none. Not repeated where the path has it.
        path (str): as the release lists it.

    Example:
        >>> image_path('imgs', r'.\cam_a\1.png'), image_path('imgs', 'imgs/2.png')
        ('imgs/cam_a/1.png', 'imgs/2.png')

    Raises:
        ValueError: it is no text.
    """
    if not isinstance(path, str) or not path:
        raise ValueError(f'the path of an image must be text, got {path!r}')
    path, folder = posixpath.normpath(path.replace('\\', '/')), folder.replace(os.sep, '/').strip('/')
    return path if not folder or path.startswith(f'{folder}/') else f'{folder}/{path}'


def released_captions(texts: Any, source: str = 'human') -> tuple[Caption, ...]:
    """Captions of one image, without blank ones; repeated ones stay.

    Args:
        texts (list[str]): as released.
        source (str): 'human', 'mllm' or 'template'.

    Raises:
        ValueError: it is no list of texts.
    """
    if not isinstance(texts, list) or any(not isinstance(text, str) for text in texts):
        raise ValueError(f'captions must be a list of texts, got {texts!r}')
    return tuple(Caption(text, source) for text in texts if text.strip())


def number_identities(ids: Iterable[int], first: int | None, source: str) -> dict[int, int]:
    """Identities of a training split -> 0, 1, 2 and so on.

    Args:
        ids (Iterable[int]): as released, repeated ones too.
        first (int | None): where the release begins to count, without gaps; None: any numbers, taken in rising order.
        source (str): the data set, for messages.

    Raises:
        ValueError: they are no integers, or do not run from ``first`` without a gap.
    """
    different = set(ids)
    strange = [person for person in different if not isinstance(person, int)]
    if strange:
        raise ValueError(f'identities of {source} must be integers, got {strange[0]!r}; take the file of the release')
    different = sorted(different)
    if first is not None and different != list(range(first, first + len(different))):
        raise ValueError(f'training identities of {source} must run from {first} without a gap, got {len(different)} '
                         f'between {different[0]} and {different[-1]}; take the file of the release, or --renumber')
    return {person: index for index, person in enumerate(different)}
