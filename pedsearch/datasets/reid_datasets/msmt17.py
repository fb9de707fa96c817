"""MSMT17 in the layouts of its two releases."""

import os.path as osp

from pedsearch.registry import DATASETS

from .image_folders import find_release
from .reid_dataset import Crop, ReIDDataset

_FOLDERS = dict(
    v1=dict(train='train', test='test'),
    v2=dict(train='mask_train_v2', test='mask_test_v2'))
_RELEASE_DIRS = dict(v1=['MSMT17_V1'], v2=['MSMT17_V2'])
_CAMERA_FIELD = 2


@DATASETS.register_module()
class MSMT17Dataset(ReIDDataset):
    """MSMT17: 32,621 training images of 1,041 people, 11,659 queries and 82,161 gallery images of 3,060 others.

    Layout: ``list_train.txt``, ``list_val.txt``, ``list_query.txt`` and ``list_gallery.txt`` with the folders ``train``
    and ``test`` (V1) or ``mask_train_v2`` and ``mask_test_v2`` (V2, faces masked), below ``data_root`` or below
    ``MSMT17_V1`` or ``MSMT17_V2`` in it. A line reads "path identity", a path ``0000/0000_000_01_0303morning_....jpg``,
    where the third field is the camera, from 1; here cameras count from 0.

    The release numbers training and test people from 0 both; they are different people. Test pids stay so: add
    ``num_ids`` of the training split where both are to be mixed.

    Args:
        *args: See :class:`ReIDDataset`.
        version (str): ``'v1'``, ``'v2'`` or ``'auto'``, the one that is there. Default: ``'auto'``.
        merge_val (bool): Train on ``list_val.txt``, too (2,373 of the images), as the literature does. Default: True.
        **kwargs: See :class:`ReIDDataset`.

    Raises:
        FileNotFoundError: Lists or folders are missing.
        ValueError: A line of a list is malformed, or both versions are there and ``version`` does not say which.

    Source: Wei et al., CVPR 2018.
    """

    def __init__(self, *args, version: str = 'auto', merge_val: bool = True, **kwargs) -> None:
        if version not in ('auto', *_FOLDERS):
            raise ValueError(f"version must be 'auto', 'v1' or 'v2', got {version!r}")
        self.version = version
        self.merge_val = merge_val
        super().__init__(*args, **kwargs)

    def load_crops(self) -> list[Crop]:
        lists = ['query', 'gallery'] if self.split == 'test' else ['train', 'val'] if self.merge_val else ['train']
        release, folder = self._find_images([f'list_{name}.txt' for name in lists])
        crops = []
        for name in lists:
            for path, pid, camid in read_list(osp.join(self.data_root, release, f'list_{name}.txt')):
                crops.append(Crop(osp.join(release, folder, path), pid, camid, is_query=name == 'query'))
        return crops

    def _find_images(self, lists: list[str]) -> tuple[str, str]:
        """Release below ``data_root`` and folder of the split's images in it."""
        versions = list(_FOLDERS) if self.version == 'auto' else [self.version]
        found, errors = [], []
        for version in versions:
            folder = _FOLDERS[version][self.split]
            try:
                found.append((find_release(self.data_root, _RELEASE_DIRS[version], [*lists, folder]), folder))
            except FileNotFoundError as error:
                errors.append(str(error))
        if len(found) > 1:
            raise ValueError(f"{self.data_root} contains both versions of MSMT17; pass version='v1' or version='v2'")
        if not found:
            raise FileNotFoundError('; or '.join(errors))
        return found[0]


def read_list(path: str) -> list[tuple[str, int, int]]:
    """Read a list of images.

    Returns:
        list[tuple[str, int, int]]: Path, identity as released, camera from 0.

    Raises:
        ValueError: A line does not read "path identity", or its path does not tell the camera.
    """
    images = []
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                name, pid = line.rsplit(maxsplit=1)
                camera = int(osp.basename(name).split('_')[_CAMERA_FIELD])
                images.append((name, int(pid), camera - 1))
            except (ValueError, IndexError):
                raise ValueError(f'{path}, line {number} must read "PPPP/PPPP_NNN_CC_....jpg identity", got '
                                 f'{line.strip()!r}') from None
    return images
