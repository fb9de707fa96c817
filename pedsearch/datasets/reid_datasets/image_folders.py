"""Find a release on disk and list the pictures in it."""

import os
import os.path as osp
import re
from collections.abc import Callable, Sequence

IMAGE_SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.ppm', '.tif', '.tiff', '.webp')
"""What counts as a picture; everything else in a folder (``Thumbs.db``, text) is passed over."""


def list_images(folder: str) -> list[str]:
    """List the pictures below a folder, sorted by relative path.

    Hidden files and folders are left out, links to folders are followed.

    Args:
        folder (str): An existing folder.

    Returns:
        list[str]: Paths relative to ``folder``.
    """
    found = []
    for current, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith('.')]
        found += [
            osp.relpath(osp.join(current, name), folder) for name in files
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith('.')
        ]
    return sorted(found)


def find_release(data_root: str, release_dirs: Sequence[str], needed: Sequence[str]) -> str:
    """Find the folder of a release: ``data_root`` or the folder that its archive unpacks to.

    Args:
        data_root (str): Where to look.
        release_dirs (Sequence[str]): Names of the archive's top folder.
        needed (Sequence[str]): What the folder must contain.

    Returns:
        str: The folder relative to ``data_root``; empty for ``data_root`` itself.

    Raises:
        FileNotFoundError: Neither has all that is needed.
    """
    for sub_folder in ('', *release_dirs):
        if all(osp.exists(osp.join(data_root, sub_folder, name)) for name in needed):
            return sub_folder
    raise FileNotFoundError(f'{data_root} must contain {", ".join(needed)} (also accepted below '
                            f'{" or ".join(release_dirs)}), got no such folder; check data_root')


def match_names(names: Sequence[str], match: Callable[[str], re.Match | None], form: str,
                folder: str) -> list[re.Match]:
    """Read what file names tell.

    Args:
        names (Sequence[str]): Paths; only their last part is read.
        match (Callable): ``match`` or ``search`` of a compiled expression.
        form (str): What it expects, for people: "images must be named ...".
        folder (str): Where the files are, for the message.

    Raises:
        ValueError: A name does not match.
    """
    matches = [match(osp.basename(name)) for name in names]
    odd = [name for name, found in zip(names, matches) if found is None]
    if odd:
        raise ValueError(f'images in {folder} must be named {form}, got {len(odd)} of {len(names)} that are not, '
                         f'first: {odd[0]}; rename them or move them away')
    return matches
