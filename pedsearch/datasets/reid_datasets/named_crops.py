"""Releases of Market-1501's kind: three folders of crops whose names tell who was seen where."""

import os.path as osp
import re

from .image_folders import find_release, list_images, match_names
from .reid_dataset import Crop

_FOLDERS = dict(train=['bounding_box_train'], test=['query', 'bounding_box_test'])


def read_named_crops(data_root: str, split: str, release_dir: str, pattern: re.Pattern, form: str) -> list[Crop]:
    """Read ``bounding_box_train``, or ``query`` and ``bounding_box_test``.

    Args:
        data_root (str): Folder with the three, or with ``release_dir``.
        split (str): ``'train'`` or ``'test'``.
        release_dir (str): Name of the archive's top folder.
        pattern (re.Pattern): How a name begins, with the groups ``pid`` and ``camera`` (from 1).
        form (str): The same for people.

    Returns:
        list[Crop]: Identities as named, cameras from 0.

    Raises:
        FileNotFoundError: A folder is missing.
        ValueError: A picture has another name.
    """
    folders = _FOLDERS[split]
    release = find_release(data_root, [release_dir], folders)
    crops = []
    for folder in folders:
        place = osp.join(release, folder)
        names = list_images(osp.join(data_root, place))
        for name, match in zip(names, match_names(names, pattern.match, form, place)):
            path, is_query = osp.join(place, name), folder == 'query'
            crops.append(Crop(path, int(match['pid']), int(match['camera']) - 1, is_query))
    return crops
