"""Images with captions and attributes: one file format for all data.

``<name>.meta.json`` says what the attributes are called; ``<name>.<split>.jsonl``, or ``.jsonl.gz``, has one image a
line. docs/own_data.md describes both.
"""

import gzip
import hashlib
import json
import os
import os.path as osp
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TextIO

import numpy as np

from pedsearch.structures import UNLABELED

SCHEMA_VERSION = 1
SPLITS = 'train', 'val', 'test', 'query', 'gallery'
SOURCES = 'human', 'template', 'mllm'
UNKNOWN = -1
EQUAL_CAPTIONS = 0.3
SPLIT_ENDINGS = 'jsonl', 'jsonl.gz', 'json'
_REQUIRED = 'image_id', 'img_path', 'split'


@dataclass(frozen=True)
class AttributeSchema:
    """What the columns of a table of attributes mean.

    Attributes:
        names (tuple[str, ...]): of A attributes.
        groups (dict[str, list[str]]): attributes that belong together, for reports.
        exclusive_groups (tuple[tuple[str, ...], ...]): attributes of which exactly one holds.
        eval_index (tuple[int, ...] | None): the columns that count in testing; None: all.
    """

    names: tuple[str, ...]
    groups: dict[str, list[str]] = field(default_factory=dict)
    exclusive_groups: tuple[tuple[str, ...], ...] = ()
    eval_index: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, value: Mapping, name: str) -> 'AttributeSchema':
        """Read the entry of a meta file.

        Raises:
            ValueError: names are missing or repeated, or others are mentioned.
        """
        names = tuple(value.get('names', ()))
        if not names or len(set(names)) < len(names):
            raise ValueError(f'attribute schema {name!r} must have different names, got {list(names)[:5]}')
        mentioned = {*(other for group in value.get('groups', {}).values() for other in group),
                     *(other for group in value.get('exclusive_groups', ()) for other in group)}
        index = value.get('eval_index')
        strange = sorted(mentioned - set(names)) + [i for i in index or () if not 0 <= i < len(names)]
        if strange:
            raise ValueError(f'attribute schema {name!r} must group its own names, got {strange[0]!r}')
        return cls(names, dict(value.get('groups', {})), tuple(map(tuple, value.get('exclusive_groups', ()))),
                   None if index is None else tuple(index))

    def as_json(self) -> dict[str, Any]:
        return dict(names=list(self.names), groups=self.groups,
                    exclusive_groups=[list(group) for group in self.exclusive_groups],
                    eval_index=None if self.eval_index is None else list(self.eval_index))


@dataclass(frozen=True)
class Caption:
    """A text about an image; equal texts have one group."""

    text: str
    source: str = 'human'
    score: float | None = None
    group: int = -1


@dataclass(frozen=True)
class DescribedImage:
    """A line of a file: path below the folder of the images, identity and camera (-1: unknown), texts, attributes."""

    image_id: int
    img_path: str
    split: str
    pid: int = UNLABELED
    camid: int = -1
    captions: tuple[Caption, ...] = ()
    attrs: dict[str, list[int]] = field(default_factory=dict)
    attr_scores: dict[str, list[float]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


def caption_group(text: str) -> int:
    """Number >= 0 that equal captions share, whatever their case, spaces and full stop.

    Example:
        >>> caption_group('A man in  red.') == caption_group('a man in red') != caption_group('a man in blue')
        True
    """
    normal = ' '.join(text.lower().split()).rstrip('.')
    return int.from_bytes(hashlib.sha256(normal.encode()).digest()[:8], 'big') >> 1


class AnnotationFile:
    """The files of one data set: schemas, and images split by split.

    Args:
        folder (str): where the files are.
        name (str): how they begin.

    Raises:
        FileNotFoundError: there is no meta file.
        ValueError: it is of another version or malformed.
    """

    def __init__(self, folder: str, name: str) -> None:
        self.folder, self.name = folder, name
        path = self._path('meta.json')
        if not osp.isfile(path):
            raise FileNotFoundError(f'{path} does not exist; write it with a converter of tools/dataset_converters')
        with open(path, encoding='utf-8') as file:
            try:
                self.meta = json.load(file)
                version = self.meta['schema_version']
                schemas = dict(self.meta.get('attribute_schemas', {}))
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f'{path} must be JSON with schema_version and attribute_schemas, got '
                                 f'{error!r}') from None
        if version != SCHEMA_VERSION:
            raise ValueError(f'{path} must have schema_version {SCHEMA_VERSION}, got {version!r}; convert it again')
        self.schemas = {key: AttributeSchema.parse(value, key) for key, value in schemas.items()}

    def schema(self, name: str) -> AttributeSchema:
        """The schema of this name.

        Raises:
            ValueError: there is none.
        """
        if name not in self.schemas:
            raise ValueError(f'attribute schema must be one of {", ".join(self.schemas) or "none"} in '
                             f'{self._path("meta.json")}, got {name!r}')
        return self.schemas[name]

    def read(self, split: str) -> list[DescribedImage]:
        """The images of a split, checked.

        Raises:
            FileNotFoundError: the split has no file.
            ValueError: a line is malformed; the message names file and line.
        """
        path = self._split_path(split)
        images, seen = [], {}
        for number, row in _rows(path):
            where = f'{path}, line {number}'
            image = _parse(row, self.schemas, where)
            if image.image_id in seen:
                raise ValueError(f'{where}: image_id must be unique, got {image.image_id} again, first in line '
                                 f'{seen[image.image_id]}')
            if image.split != split:
                raise ValueError(f'{where}: split must be {split!r} as the file, got {image.split!r}; move the line to '
                                 'the file of its split')
            seen[image.image_id] = number
            images.append(image)
        if not images:
            raise ValueError(f'{path} must list images, got none; convert the data again')
        return images

    def warnings(self, images: Sequence[DescribedImage]) -> list[str]:
        """What is odd about a split though not wrong."""
        found = []
        groups = Counter(caption.group for image in images for caption in image.captions)
        total = sum(groups.values())
        repeated = sum(count for count in groups.values() if count > 1)
        if total and repeated > EQUAL_CAPTIONS * total:
            found.append(f'{100 * repeated / total:.0f} % of the captions are not unique; contrast counts equal ones '
                         'as matches')
        for name, schema in self.schemas.items():
            table = [image.attrs[name] for image in images if name in image.attrs]
            absent = np.flatnonzero(~(np.array(table) == 1).any(axis=0)) if table else []
            if len(absent):
                found.append(f'{len(absent)} attributes of {name} have no positive, first: {schema.names[absent[0]]}')
        return found

    def _split_path(self, split: str) -> str:
        if split not in SPLITS:
            raise ValueError(f'split must be one of {", ".join(SPLITS)}, got {split!r}')
        paths = [self._path(f'{split}.{ending}') for ending in SPLIT_ENDINGS]
        present = [path for path in paths if osp.isfile(path)]
        if not present:
            raise FileNotFoundError(f'{paths[0]} (or .gz) does not exist; check split={split!r}, the folder has '
                                    f'{", ".join(self.splits()) or "none"}')
        return present[0]

    def splits(self) -> list[str]:
        """Splits that have a file."""
        return [split for split in SPLITS
                if any(osp.isfile(self._path(f'{split}.{ending}')) for ending in SPLIT_ENDINGS)]

    def _path(self, rest: str) -> str:
        return osp.join(self.folder, f'{self.name}.{rest}')


def write_annotations(folder: str, name: str, images: Iterable[DescribedImage],
                      schemas: Mapping[str, AttributeSchema] | None = None, **meta: Any) -> None:
    """Write the files of a data set, whole or not at all, and check them, image after image.

    Args:
        folder (str): where to; made if absent.
        name (str): how the files begin.
        images (Iterable[DescribedImage]): of all splits, taken one by one, so that they need not fit into memory.
        schemas (Mapping[str, AttributeSchema], optional): of the attributes.
        **meta: further entries of the meta file, for example ``license``.

    Raises:
        ValueError: an image breaks a rule of :meth:`AnnotationFile.read`, or the folder has a split of this name that
            is not among the images: beside the new files it would be read as one of them.
    """
    schemas = dict(schemas or {})
    seen: dict[str, set[int]] = {}
    pids: dict[str, set[int]] = {}
    num_captions: Counter[str] = Counter()
    with ExitStack() as files:
        parts: dict[str, TextIO] = {}

        def lines_of(ending: str) -> TextIO:
            if ending not in parts:
                os.makedirs(folder, exist_ok=True)
                path = osp.join(folder, f'{name}.{ending}.part')
                files.callback(_remove, path)
                parts[ending] = files.enter_context(open(path, 'w', encoding='utf-8'))
            return parts[ending]

        for image in images:
            row = _as_row(image)
            _parse(row, schemas, f'image {image.img_path}')
            ids = seen.setdefault(image.split, set())
            if image.image_id in ids:
                raise ValueError(f'image_id must be unique in {image.split}, got {image.image_id} twice')
            ids.add(image.image_id)
            pids.setdefault(image.split, set()).update({image.pid} - {UNLABELED})
            num_captions[image.split] += len(image.captions)
            lines_of(f'{image.split}.jsonl').write(json.dumps(row, ensure_ascii=False) + '\n')
        others = [path for split in SPLITS if split not in seen for ending in SPLIT_ENDINGS
                  if osp.isfile(path := osp.join(folder, f'{name}.{split}.{ending}'))]
        if others:
            raise ValueError(f'{others[0]} is of an earlier conversion, this one has {", ".join(seen)} alone; delete '
                             'it, or choose another folder or name')
        counts = {split: dict(images=len(ids), captions=num_captions[split], pids=len(pids[split]))
                  for split, ids in seen.items()}
        head = dict(schema_version=SCHEMA_VERSION, dataset=name, counts=counts,
                    attribute_schemas={key: schema.as_json() for key, schema in schemas.items()}, **meta)
        lines_of('meta.json').write(json.dumps(head, ensure_ascii=False, indent=1) + '\n')
        for ending, file in parts.items():  # the meta file last: without it there is nothing
            file.close()
            path = osp.join(folder, f'{name}.{ending}')
            os.replace(path + '.part', path)


def _remove(path: str) -> None:
    """Delete a file that was not finished."""
    if osp.isfile(path):
        os.remove(path)


def _rows(path: str) -> Iterator[tuple[int, dict]]:
    """Number and content of every line; of OpenMMLab's form, of every entry of data_list."""
    with (gzip.open if path.endswith('.gz') else open)(path, 'rt', encoding='utf-8') as file:
        if path.endswith('.json'):
            try:
                yield from enumerate(json.load(file)['data_list'], start=1)
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f'{path} must be JSON with metainfo and data_list, got {error!r}') from None
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except json.JSONDecodeError as error:
                    raise ValueError(f'{path}, line {number} must be JSON, got {error}') from None


def _parse(row: Any, schemas: Mapping[str, AttributeSchema], where: str) -> DescribedImage:
    if not isinstance(row, Mapping) or any(key not in row for key in _REQUIRED):
        found = ', '.join(row) if isinstance(row, Mapping) else repr(row)
        raise ValueError(f'{where}: an image must have {", ".join(_REQUIRED)}, got {found}')
    image_id, path, split = row['image_id'], row['img_path'], row['split']
    pid, camid = row.get('pid', UNLABELED), row.get('camid', -1)
    for key, value, least in (('image_id', image_id, 0), ('pid', pid, -1), ('camid', camid, -1)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f'{where}: {key} must be an integer >= {least}, got {value!r}')
    if not isinstance(path, str) or not path or osp.isabs(path) or '..' in path.split('/'):
        raise ValueError(f'{where}: img_path must be a path below the folder of the images, got {path!r}')
    if split not in SPLITS:
        raise ValueError(f'{where}: split must be one of {", ".join(SPLITS)}, got {split!r}')
    texts = row.get('captions', [])
    if not isinstance(texts, Sequence) or isinstance(texts, str):
        raise ValueError(f'{where}: captions must be a list, got {texts!r}')
    captions = tuple(_parse_caption(value, where) for value in texts)
    attrs, scores, extra = (_parse_table(row.get(key, {}), key, where) for key in ('attrs', 'attr_scores', 'extra'))
    for table, kind in ((attrs, 'attrs'), (scores, 'attr_scores')):
        for name, values in table.items():
            if name not in schemas:
                raise ValueError(f'{where}: {kind} must be of a schema of the meta file '
                                 f'({", ".join(schemas) or "none"}), got {name!r}')
            if not isinstance(values, Sequence) or len(values) != len(schemas[name].names):
                raise ValueError(f'{where}: {kind} of {name} must have {len(schemas[name].names)} values, got '
                                 f'{len(values) if isinstance(values, Sequence) else repr(values)}')
    for name, values in attrs.items():
        strange = [value for value in values if value not in (0, 1, UNKNOWN)]
        if strange:
            raise ValueError(f'{where}: attrs of {name} must be 1, 0 or -1 (unknown), got {strange[0]!r}')
    return DescribedImage(image_id, path, split, pid, camid, captions, attrs, scores, extra)


def _parse_table(value: Any, key: str, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f'{where}: {key} must be a table of names, got {value!r}')
    return dict(value)


def _parse_caption(value: Any, where: str) -> Caption:
    entry = dict(text=value) if isinstance(value, str) else _parse_table(value, 'a caption', where)
    text = entry.get('text')
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f'{where}: a caption must have words, got {text!r}; leave it out')
    source = entry.get('source', 'human')
    if source not in SOURCES:
        raise ValueError(f'{where}: source of a caption must be one of {", ".join(SOURCES)}, got {source!r}')
    group = entry.get('group', -1)
    return Caption(text, source, entry.get('score'), caption_group(text) if group in (None, -1) else int(group))


def _as_row(image: DescribedImage) -> dict[str, Any]:
    row: dict[str, Any] = dict(image_id=image.image_id, img_path=image.img_path, split=image.split, pid=image.pid,
                               camid=image.camid)
    if image.captions:
        row['captions'] = [{key: value for key, value in vars(caption).items() if value not in (None, -1)}
                           for caption in image.captions]
    for key in ('attrs', 'attr_scores', 'extra'):
        if getattr(image, key):
            row[key] = getattr(image, key)
    return row
