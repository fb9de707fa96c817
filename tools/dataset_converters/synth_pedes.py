"""Write SYNTH-PEDES, crops with machine-written captions and six words or so of attributes each.

ROOT holds ``synthpedes_dataset.json`` and the folders of images that it names. OUT gets ``synth-pedes.meta.json`` and
``synth-pedes.train.jsonl``: the release has no other split. Identities are counted from 0 in the order of the released
numbers.

* Captions are of source 'mllm', the sentence made from a template, ``prompt_caption``, is of source 'template';
  published totals do not count the latter, and --no-prompt leaves it out.
* Attributes are one text of six parts, gender, hair, top, bottom, shoes and extra. The words that occur are not public.
  What is read: man or woman, and colours of hair, top, bottom and shoes out of a list; if a part names colours, the
  others are 0; if it names none of the list, or is "unknown", all are -1. The parts stay as text in ``extra``.

The whole file is held in memory, several times: for all 4.8 million images expect to need tens of gigabytes.

Example::

    python tools/dataset_converters/synth_pedes.py data/synth_pedes --out data/synth_pedes
"""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.progress import track

from pedsearch.datasets.multimodal import AttributeSchema, DescribedImage, write_annotations
from pedsearch.datasets.multimodal.annotations import UNKNOWN
from pedsearch.datasets.multimodal.public_releases import (
    describe_totals,
    find_file,
    image_path,
    number_identities,
    read_rows,
    released_captions,
    totals_of,
)

NAME = 'synth-pedes'
SLOTS = 'gender', 'hair', 'top', 'bottom', 'shoes', 'extra'
SEX = dict(woman=1, girl=1, lady=1, female=1, man=0, boy=0, male=0)
COLORS = 'black', 'white', 'grey', 'red', 'green', 'blue', 'yellow', 'brown', 'purple', 'pink', 'orange'
GARMENTS = dict(hair='hair', top='upper', bottom='lower', shoes='shoes')
GROUPS = {garment: [f'{garment}_{color}' for color in COLORS] for garment in GARMENTS.values()}
SCHEMA = AttributeSchema(('female', *(name for group in GROUPS.values() for name in group)), GROUPS)


def read_slots(attributes: Any) -> dict[str, str]:
    """The parts that are known.

    Args:
        attributes (list[str]): one text of six parts.

    Raises:
        ValueError: it is not.
    """
    parts = [part.strip() for text in attributes for part in str(text).split(',')] if attributes else []
    if not isinstance(attributes, list) or len(parts) != len(SLOTS):
        raise ValueError(f'attributes must be one text of {", ".join(SLOTS)} with commas between, got {attributes!r}')
    return {slot: part for slot, part in zip(SLOTS, parts) if part and part.lower() != 'unknown'}


def label(slots: dict[str, str]) -> list[int]:
    """1, 0 or -1 for every name of :data:`SCHEMA`."""
    found = [SEX[word] for word in words(slots.get('gender', '')) if word in SEX]
    values = [found[0] if found else UNKNOWN]
    for slot in GARMENTS:
        told = {word.replace('gray', 'grey') for word in words(slots.get(slot, ''))}
        values += [int(color in told) if told & set(COLORS) else UNKNOWN for color in COLORS]
    return values


def words(text: str) -> list[str]:
    """Words in small letters."""
    return re.findall('[a-z]+', text.lower())


def describe(path: str, folder: str, prompt: bool) -> list[DescribedImage]:
    """All images of the release.

    Raises:
        FileNotFoundError, ValueError: the file is missing or not of this data set; the message names the entry.
    """
    rows = read_rows(path, ('id', 'file_path', 'attributes', 'captions', 'prompt_caption'))
    pids = number_identities((row['id'] for row in rows), None, NAME)
    images = []
    for number, row in enumerate(track(rows, description=NAME)):
        try:
            slots = read_slots(row['attributes'])
            captions = released_captions(row['captions'], 'mllm')
            prompts = released_captions(row['prompt_caption'], 'template') if prompt else ()
            image = image_path(folder, row['file_path'])
        except ValueError as error:
            raise ValueError(f'{path}, entry {number + 1}: {error}; take the file of the release') from None
        images.append(DescribedImage(number, image, 'train', pids[row['id']], captions=captions + prompts,
                                     attrs={NAME: label(slots)}, extra=slots))
    return images


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', help='folder of the release')
    parser.add_argument('--out', required=True, help='folder for the annotation files')
    parser.add_argument('--annotations', help='JSON file of the release; default: looked for in ROOT')
    parser.add_argument('--images', default='', help='folder of the images below ROOT; default: ROOT itself')
    parser.add_argument('--no-prompt', action='store_true', help='leave out the sentences made from a template')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        path = args.annotations or find_file(args.root, ('synthpedes_dataset.json', ))
        images = describe(path, args.images, not args.no_prompt)
        write_annotations(args.out, NAME, images, {NAME: SCHEMA}, license='research only')
    except (OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(describe_totals(NAME, totals_of(images)))
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
