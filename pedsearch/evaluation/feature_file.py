"""Features of a dataset and what is known of its images, in one file without pickles.

Shape legend: N images, D embedding dimensions.
"""

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pedsearch.functional.arrays import as_array
from pedsearch.structures import UNLABELED

_FORMAT = 'pedsearch-features 1'
_COLUMNS = dict(feats=np.float32, img_paths=np.str_, pids=np.int64, camids=np.int64, is_query=np.bool_, labels=np.int64)


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """One row per image.

    Attributes:
        feats (numpy.ndarray): (N, D) float32.
        img_paths (numpy.ndarray): (N,) str.
        pids (numpy.ndarray): (N,) int64 identities, -1 for none.
        camids (numpy.ndarray): (N,) int64 cameras, -1 for unknown.
        is_query (numpy.ndarray): (N,) bool.
        labels (numpy.ndarray): (N,) int64 what is trained on, such as pseudo labels; -1 for outliers and in testing.

    Raises:
        ValueError: the columns do not fit each other, or a feature is not finite.

    Example:
        >>> table = FeatureTable.of([[1., 0.], [0., 1.]], [dict(img_path='a.jpg', pid=3, camid=0),
        ...                                                dict(img_path='b.jpg', pid=5, camid=1, label=0)])
        >>> table.feats.shape, table.pids.tolist(), table.labels.tolist()
        ((2, 2), [3, 5], [-1, 0])
    """

    feats: Any
    img_paths: Any
    pids: Any
    camids: Any
    is_query: Any
    labels: Any

    def __post_init__(self) -> None:
        for name, dtype in _COLUMNS.items():
            value = getattr(self, name)
            value = np.asarray(value) if name == 'img_paths' else as_array(value, name)
            object.__setattr__(self, name, value.astype(dtype))
        shapes = {name: getattr(self, name).shape for name in _COLUMNS}
        count = len(self.feats) if self.feats.ndim else 0
        if self.feats.ndim != 2 or any(shape != (count, ) for name, shape in shapes.items() if name != 'feats'):
            raise ValueError(f'feats must have shape (N, D) and all others (N,), got {shapes}')
        broken = ~np.isfinite(self.feats).all(axis=1)
        if broken.any():
            raise ValueError(f'feats must be finite, got {broken.sum()} rows with NaN or infinity; look for an '
                             'overflow in the model')

    def __len__(self) -> int:
        return len(self.feats)

    @classmethod
    def of(cls, feats: Any, infos: Sequence[Mapping]) -> 'FeatureTable':
        """From features (N, D) and the samples' entries as datasets give them: ``dataset.get_data_info(index)``."""
        columns = dict(img_paths=('img_path', ''), pids=('pid', UNLABELED), camids=('camid', -1),
                       is_query=('is_query', False), labels=('label', UNLABELED))
        return cls(feats, **{name: [info.get(key, default) for info in infos]
                             for name, (key, default) in columns.items()})

    def select(self, rows: np.ndarray) -> 'FeatureTable':
        """Some rows, chosen by a mask (N,) or by places."""
        return FeatureTable(**{name: getattr(self, name)[rows] for name in _COLUMNS})


def write_features(path: str | os.PathLike, table: FeatureTable) -> None:
    """Write a ``.npz`` file; it appears complete or not at all. The same table gives the same bytes.

    Raises:
        ValueError: another suffix.
    """
    path = Path(path)
    if path.suffix != '.npz':
        raise ValueError(f'features go into a .npz file, got {path}')
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
    try:
        with open(partial, 'wb') as file:
            np.savez(file, format=np.array(_FORMAT), **{name: getattr(table, name) for name in _COLUMNS})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_features(path: str | os.PathLike) -> FeatureTable:
    """Read what :func:`write_features` wrote; nothing in the file is executed.

    Raises:
        FileNotFoundError, ValueError: naming the file.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'features {path} do not exist; write them with tools/extract_features.py')
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in ('format', *_COLUMNS)}
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f'{path} holds no features ({error}); write it with tools/extract_features.py') from None
    found = str(content.pop('format'))
    if found != _FORMAT:
        raise ValueError(f'{path} must have the format {_FORMAT!r}, got {found!r}; extract the features again')
    return FeatureTable(**content)
