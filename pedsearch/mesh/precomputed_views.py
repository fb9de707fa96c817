"""Pictures of bodies in files, laid out as the published ones: ``<mesh root>/{train,test}/render[_<angle>]/<photo>``.

Shape legend: A angles of one photo, H x W pixels of a picture; background is 255.
"""

import os
import os.path as osp
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from pedsearch.registry import TASK_UTILS

from .mesh_views import ANGLES_DEG, MeshViewGenerator
from .person_meshes import MeshProvider

SPLIT_OF_FOLDER = {
    'bounding_box_train': 'train', 'bounding_box_test': 'test', 'query': 'test', 'MSMT17_V2/mask_train_v2': 'train',
    'MSMT17_V2/mask_test_v2': 'test', 'MSMT17_V1/train': 'train', 'MSMT17_V1/test': 'test', 'mask_train_v2': 'train',
    'mask_test_v2': 'test', 'train': 'train', 'test': 'test', 'gallery': 'test',
}  # fmt: skip
"""Folder of photos below the root of a dataset -> part of the mesh root."""


def view_path(name: str, angle_deg: int) -> str:
    """Where below a mesh root the picture of a photo lies.

    Args:
        name (str): Photo, relative to the root of its dataset and with ``/``; folders of identities below the folder of
            photos are kept.
        angle_deg (int): Degrees, 0 for the body as photographed.

    Raises:
        ValueError: The folder is of no known split.

    Example:
        >>> view_path('bounding_box_train/0002_c1s1_000451_03.jpg', 45)
        'train/render_45/0002_c1s1_000451_03.jpg'
        >>> view_path('query/0001_c1s1_001051_00.jpg', 0)
        'test/render/0001_c1s1_001051_00.jpg'
    """
    for folder, split in SPLIT_OF_FOLDER.items():
        if name.startswith(folder + '/'):
            angle = int(angle_deg) % 360
            return f'{split}/{f"render_{angle}" if angle else "render"}/{name[len(folder) + 1 :]}'
    raise ValueError(f'expected a photo in one of the folders {", ".join(SPLIT_OF_FOLDER)}, got {name!r}')


@TASK_UTILS.register_module()
class PrecomputedViews:
    """Reads pictures of bodies that were drawn before.

    Args:
        photo_root (str): Root of the dataset; photos tell the proportions that their pictures must have.
        mesh_root (str): Root of the pictures.
        image_size (tuple[int, int]): (height, width) that pictures are resized to, bicubic.

    Raises:
        ValueError: Both roots are one folder.
    """

    def __init__(self, photo_root: str, mesh_root: str, image_size: tuple[int, int]) -> None:
        if osp.realpath(photo_root) == osp.realpath(mesh_root):
            raise ValueError(
                f'mesh_root must be another folder than photo_root, got {mesh_root} for both; photos are no meshes'
            )
        self.photo_root, self.mesh_root = photo_root, mesh_root
        self.image_size = tuple(image_size)

    def __call__(self, name: str, angles_deg: Sequence[int]) -> np.ndarray:
        """Pictures (A, H, W) uint8 of the body on photo ``name``, turned by A angles in degrees.

        Raises:
            FileNotFoundError: Photo or picture is missing.
            ValueError: The picture is the photo, or has other proportions.
        """
        photo = osp.join(self.photo_root, name)
        paths = [osp.join(self.mesh_root, view_path(name, angle)) for angle in angles_deg]
        for path in (photo, *paths):
            if not osp.isfile(path):
                kind = 'photo' if path is photo else 'picture of a body'
                raise FileNotFoundError(
                    f'expected a {kind}, got {path}, which does not exist; check the roots, or draw the bodies with '
                    'tools/mesh/render_views.py'
                )
        with Image.open(photo) as image:
            photo_size = image.size
        return np.stack([self._read(path, photo, photo_size) for path in paths])

    def _read(self, path: str, photo: str, photo_size: tuple[int, int]) -> np.ndarray:
        if osp.samefile(path, photo):
            raise ValueError(f'the mesh of {photo} must be another file, got the photo itself; check the roots')
        with Image.open(path) as image:
            (width, height), (photo_width, photo_height) = image.size, photo_size
            if abs(photo_width * height / photo_height - width) > 1:  # a pixel for rounding
                raise ValueError(
                    f'the mesh of {photo} must have its proportions, {photo_height} x {photo_width} (height x width), '
                    f'got {height} x {width} in {path}; draw the whole photo, not a square crop'
                )
            grey = image.convert('L').resize(self.image_size[::-1], Image.Resampling.BICUBIC)
        return np.asarray(grey)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.photo_root!r}, {self.mesh_root!r}, {self.image_size})'


def write_views(
    bodies: MeshProvider, names: Sequence[str], photo_root: str, mesh_root: str, angles_deg: Sequence[int] = ANGLES_DEG
) -> Iterator[str]:
    """Write pictures where :class:`PrecomputedViews` finds them, and yield each name when its pictures are there.

    A picture has its photo's size. Pictures that are there already stay; each is written whole or not at all.

    Args:
        bodies (MeshProvider): Where bodies come from.
        names (sequence of str): Photos.
        photo_root (str): Root of the photos.
        mesh_root (str): Root of the pictures.
        angles_deg (sequence of int): Degrees.

    Raises:
        FileNotFoundError: A photo is missing.
    """
    for name in names:
        with Image.open(osp.join(photo_root, name)) as photo:
            views = MeshViewGenerator(bodies, photo.size[::-1])
        paths = {angle: osp.join(mesh_root, view_path(name, angle)) for angle in angles_deg}
        missing = [angle for angle, path in paths.items() if not osp.exists(path)]
        for angle, picture in zip(missing, views(name, missing)):
            os.makedirs(osp.dirname(paths[angle]), exist_ok=True)
            stem, suffix = osp.splitext(paths[angle])
            unfinished = f'{stem}.{os.getpid()}.part{suffix}'
            Image.fromarray(picture).save(unfinished, quality=95)
            os.replace(unfinished, paths[angle])
        yield name
