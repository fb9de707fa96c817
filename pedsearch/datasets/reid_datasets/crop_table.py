"""Crops of a user's own, as folders or tables list them: who and where as text, numbered when all are read."""

import csv
import os.path as osp
from collections.abc import Iterable
from dataclasses import dataclass

from pedsearch.structures import UNLABELED

from .image_folders import list_images

COLUMNS = ('file', 'pid', 'camid')
_UNKNOWN = ('', '-1')


@dataclass
class ListedCrop:
    """One listed image: path below ``data_root``, names of person and camera ('': unknown)."""

    path: str
    person: str = ''
    camera: str = ''


def read_table(path: str) -> list[ListedCrop]:
    """Read a CSV file with the header ``file,pid,camid``; ``pid`` and ``camid`` may be absent, empty or -1: unknown.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The text is no table with that header; the message names the line.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'{path} does not exist; check data_root and ann_file')
    with open(path, newline='', encoding='utf-8-sig') as file:
        try:
            rows = csv.reader(file, skipinitialspace=True)
            header = [name.strip() for name in next(rows, [])]
            if 'file' not in header or len(set(header)) < len(header) or not set(header) <= set(COLUMNS):
                raise ValueError(f'{path} must begin with the header "file,pid,camid" (pid and camid optional), got '
                                 f'{",".join(header)!r}')
            crops = []
            for row in rows:
                if not any(row):
                    continue
                entry = dict(zip(header, (value.strip() for value in row)))
                if len(row) != len(header) or not entry['file']:
                    raise ValueError(f'{path}, line {rows.line_num} must have the {len(header)} values '
                                     f'"{",".join(header)}", got {",".join(row)!r}')
                crops.append(ListedCrop(osp.normpath(entry['file']), known(entry.get('pid', '')),
                                        known(entry.get('camid', ''))))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f'{path} must be comma-separated UTF-8 text, got {error}') from None
    return crops


def read_folder(data_root: str, folder: str) -> list[ListedCrop]:
    """Read the pictures of a folder: those in a sub-folder show the person it is named after, the others anybody."""
    names = list_images(osp.join(data_root, folder))
    people = [name.split(osp.sep)[0] if osp.sep in name else '' for name in names]
    return [ListedCrop(osp.join(folder, name), known(person)) for name, person in zip(names, people)]


def known(name: str) -> str:
    """Turn the code for unknown, -1, into the empty text."""
    return '' if name in _UNKNOWN else name


def number_names(names: Iterable[str], keep_integers: bool = False) -> dict[str, int]:
    """Number names from 0 in sorted order; the empty one becomes -1.

    Args:
        names (Iterable[str]): Names, repeated ones too.
        keep_integers (bool): Where all names are whole numbers they stay as they are. Default: False.

    Example:
        >>> number_names(['door', '', 'bridge'])
        {'bridge': 0, 'door': 1, '': -1}
        >>> number_names(['7', '03'], keep_integers=True)
        {'03': 3, '7': 7, '': -1}
    """
    different = sorted(set(names) - {''})
    integers = keep_integers and all(name.isdecimal() for name in different)
    return {name: int(name) if integers else index for index, name in enumerate(different)} | {'': UNLABELED}
