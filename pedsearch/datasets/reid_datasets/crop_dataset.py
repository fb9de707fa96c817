"""A user's own crops."""

import os.path as osp
import re
from collections.abc import Sequence

from pedsearch.registry import DATASETS

from .crop_table import ListedCrop, known, number_names, read_folder, read_table
from .image_folders import match_names
from .reid_dataset import Crop, ReIDDataset

_PARTS = dict(train=('train', ), test=('query', 'gallery'))


@DATASETS.register_module()
class CropDataset(ReIDDataset):
    r"""Own data: tables, folders of identities, or just a folder of pictures.

    What is looked for, in this order:

    1. ``train.csv``; ``query.csv`` and ``gallery.csv``, with the header ``file,pid,camid`` (``pid`` and ``camid`` may
       be absent, empty or -1: unknown), paths below ``data_root``;
    2. folders ``train``; ``query`` and ``gallery``. The pictures in ``train/anna`` show the identity "anna", those
       directly in ``train`` nobody knows whom;
    3. if ``data_root`` has none of all these: every picture below it is a training image without identity, whatever
       the folders are named.

    Identities are any text and numbered in sorted order, query and gallery together; ``identities[pid]`` is the name.
    Cameras that are all whole numbers stay as they are, names are numbered in sorted order.

    Args:
        data_root (str): The folder.
        split (str): ``'train'`` or ``'test'``.
        ann_file (str | Sequence[str] | None): Tables of other names, below ``data_root``: one for training, those of
            query and gallery for testing. Default: as above.
        camera_pattern (str | None): Regular expression with one group, searched for in the file name where no table
            names the camera, for example ``'_c(\d+)'``. Default: the camera is unknown.
        **kwargs: See :class:`ReIDDataset`.

    Raises:
        FileNotFoundError: The split has no table and no folder.
        ValueError: A table is malformed, ``camera_pattern`` is no such expression or matches a name not, or a query
            without camera is in the gallery, too.
    """

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 ann_file: str | Sequence[str] | None = None,
                 camera_pattern: str | None = None,
                 **kwargs) -> None:
        self.tables = [ann_file] if isinstance(ann_file, str) else ann_file and list(ann_file)
        self.camera_pattern = camera_pattern and _compile(camera_pattern)
        super().__init__(data_root, split, **kwargs)

    def load_crops(self) -> list[Crop]:
        parts = self._read_parts()
        crops = [crop for listed in parts.values() for crop in listed]
        self._name_cameras([crop for crop in crops if not crop.camera])
        pids = number_names(crop.person for crop in crops)
        camids = number_names((crop.camera for crop in crops), keep_integers=True)
        self.identities = tuple(pids)[:-1]
        self._check_own_gallery(parts)
        return [
            Crop(crop.path, pids[crop.person], camids[crop.camera], is_query=part == 'query')
            for part, listed in parts.items() for crop in listed
        ]

    def _read_parts(self) -> dict[str, list[ListedCrop]]:
        """Part of the split -> its images."""
        wanted = _PARTS[self.split]
        if self.tables:
            if len(self.tables) != len(wanted):
                raise ValueError(f'ann_file must name {len(wanted)} tables ({", ".join(wanted)}) for the {self.split} '
                                 f'split, got {len(self.tables)}')
            return {part: read_table(osp.join(self.data_root, name)) for part, name in zip(wanted, self.tables)}
        present = present_parts(self.data_root)
        if not present and self.split == 'train':
            return dict(train=[ListedCrop(crop.path) for crop in read_folder(self.data_root, '')])
        missing = [part for part in wanted if part not in present]
        if missing:
            raise FileNotFoundError(f'{self.data_root} must contain {missing[0]}.csv or a folder {missing[0]} for the '
                                    f'{self.split} split, got neither; see docs/own_data.md')
        return {part: _read_part(self.data_root, part) for part in wanted}

    def _name_cameras(self, crops: Sequence[ListedCrop]) -> None:
        """Let the file names tell the cameras of ``crops``."""
        if self.camera_pattern is None:
            return
        form = f'with a camera as camera_pattern {self.camera_pattern.pattern!r} expects it'
        matches = match_names([crop.path for crop in crops], self.camera_pattern.search, form, self.data_root)
        for crop, match in zip(crops, matches):
            crop.camera = known(match[1] or '')

    @staticmethod
    def _check_own_gallery(parts: dict[str, list[ListedCrop]]) -> None:
        """A query from a known camera never counts its own image; one from an unknown camera would find itself."""
        gallery = {crop.path for crop in parts.get('gallery', ())}
        itself = [crop.path for crop in parts.get('query', ()) if not crop.camera and crop.path in gallery]
        if itself:
            raise ValueError(f'queries without camera must not be in the gallery, where they find themselves, got '
                             f'{len(itself)}, first: {itself[0]}; remove them from one side or name cameras')


def present_parts(data_root: str) -> set[str]:
    """Tell which of train, query and gallery a folder has, as a table or a folder."""
    return {
        part for parts in _PARTS.values() for part in parts
        if osp.isfile(osp.join(data_root, f'{part}.csv')) or osp.isdir(osp.join(data_root, part))
    }


def _read_part(data_root: str, part: str) -> list[ListedCrop]:
    table = osp.join(data_root, f'{part}.csv')
    return read_table(table) if osp.isfile(table) else read_folder(data_root, part)


def _compile(pattern: str) -> re.Pattern:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f'camera_pattern must be a regular expression, got {pattern!r}: {error}') from None
    if compiled.groups != 1:
        raise ValueError(f'camera_pattern must have one group, the camera, got {compiled.groups} in {pattern!r}; for '
                         r"example '_c(\d+)'")
    return compiled
