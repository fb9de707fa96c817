"""2-D keypoints of people and the files they come in.

Shape legend: N people, K keypoints of a layout. A keypoint is x, y in pixels of its photo and a confidence in [0, 1];
confidence 0 stands for a missing point.
"""

import json
import os
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

COCO17 = (
    'nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder', 'left_elbow',
    'right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle',
    'right_ankle',
)  # fmt: skip

MARKET14 = (
    'crown', 'throat', 'right_upper_arm', 'right_elbow', 'right_wrist', 'left_upper_arm', 'left_elbow',
    'left_wrist', 'right_thigh', 'right_knee', 'right_ankle', 'left_thigh', 'left_knee', 'left_ankle',
)  # fmt: skip

LAYOUTS = dict(coco17=COCO17, market14=MARKET14)
"""Name of a layout -> names of its points, left and right as the person feels them."""

PHOTO_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of the people of some photos.

    Args:
        names (list[str]): N photos, one person each, relative to the folder of the photos and with ``/``.
        points (Tensor): (N, K, 3) float32 x, y, confidence.
        layout (str): Key of :data:`LAYOUTS`.
    """

    names: list[str]
    points: Tensor
    layout: str

    def __post_init__(self) -> None:
        expected = (len(self.names), len(points_of(self.layout)), 3)
        if tuple(self.points.shape) != expected:
            raise ValueError(
                f'points must have shape {expected} for {len(self.names)} photos in layout {self.layout}, got '
                f'{tuple(self.points.shape)}; check the layout'
            )

    def __len__(self) -> int:
        return len(self.names)


def points_of(layout: str) -> tuple[str, ...]:
    """Names of the points of a layout."""
    if layout not in LAYOUTS:
        raise ValueError(f'expected a layout of {sorted(LAYOUTS)}, got {layout!r}; pass one of them')
    return LAYOUTS[layout]


def without_missing(points: Tensor) -> Tensor:
    """Points (N, K, 3) whose missing ones, not finite or of no confidence, are (0, 0, 0)."""
    seen = torch.isfinite(points).all(-1) & (points[..., 2] > 0)
    return torch.where(seen[..., None], points, 0.0)


def read_coco_keypoints(path: str) -> Keypoints:
    """Read the JSON file of a pose estimator.

    Two forms are understood: a list of ``{"file_name" or "image_name" or "image": ..., "keypoints": [51 numbers]}``,
    and a COCO file with ``images`` and ``annotations``. Of several people in a photo, the one with the highest sum of
    confidences stays; images of a COCO file without people have no points. Visibilities 0, 1, 2 of annotated files
    become 0, 1, 1.

    Args:
        path (str): The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is neither form.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'expected a JSON file of keypoints, got {path}, which does not exist')
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except ValueError as error:
        raise ValueError(f'{path} must be a JSON file of keypoints, got another ({error})') from None
    name_of = {}
    if isinstance(content, dict) and 'annotations' in content:
        name_of = {image['id']: image['file_name'] for image in content.get('images', [])}
        content = content['annotations']
    if not isinstance(content, list):
        raise ValueError(f'{path} must hold a list of people or COCO annotations, got a {type(content).__name__}')
    best: dict[str, np.ndarray] = {}
    for number, entry in enumerate(content):
        if not isinstance(entry, dict):
            raise ValueError(f'entry {number} of {path} must be an object with image and keypoints, got {entry!r:.60}')
        name = next((entry[key] for key in ('file_name', 'image_name', 'image', 'file') if key in entry), None)
        name = name_of.get(entry.get('image_id')) if name is None else name
        numbers = entry.get('keypoints', ())
        if name is None or len(numbers) != 3 * len(COCO17):
            raise ValueError(
                f'entry {number} of {path} must name its image and hold 51 keypoint numbers, got image {name!r} and '
                f'{len(numbers)} numbers; write x, y, confidence of the 17 COCO points'
            )
        points = np.array(numbers, np.float32).reshape(-1, 3)
        points[:, 2] = np.nan_to_num(points[:, 2]).clip(0, 1)
        if name not in best or points[:, 2].sum() > best[name][:, 2].sum():
            best[name] = points
    names = sorted({*best, *name_of.values()})  # an annotated file also tells who was not found
    nobody = np.zeros((len(COCO17), 3), np.float32)
    best = {name: best.get(name, nobody) for name in names}
    stacked = torch.from_numpy(np.stack([best[name] for name in names])) if names else torch.zeros(0, 17, 3)
    return Keypoints(names, without_missing(stacked), 'coco17')


def with_all_photos(keypoints: Keypoints, photo_folder: str) -> Keypoints:
    """Keypoints of all photos of a folder and its sub-folders, without points where nobody was found.

    Photos that are named and are not there stay: whoever reads them says so.
    """
    found = {os.path.relpath(os.path.join(folder, file), photo_folder).replace(os.sep, '/')
             for folder, _, files in os.walk(photo_folder) for file in files if file.lower().endswith(PHOTO_SUFFIXES)}
    missing = sorted(found - set(keypoints.names))
    points = torch.cat((keypoints.points, keypoints.points.new_zeros(len(missing), *keypoints.points.shape[1:])))
    return Keypoints([*keypoints.names, *missing], points, keypoints.layout)


def read_market_points(path: str, photo_folder: str) -> Keypoints:
    """Read the 14 body points published for Market-1501.

    The file is HDF5 with ``pp`` of N rows: x of the 14 points, then y, in pixels counted from 1. Its rows belong to
    the photos of a folder in sorted order.

    Args:
        path (str): ``market1501_14point_train.mat`` or that of another split.
        photo_folder (str): Photos of that split, all of them.

    Raises:
        ImportError: h5py is not installed.
        FileNotFoundError: File or folder is missing.
        ValueError: The file holds something else, or its rows are not as many as the photos.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            "MATLAB files of keypoints need h5py, which is not installed; run `pip install 'pedsearch[mesh]'`"
        ) from error
    for kind, place, exists in (('file', path, os.path.isfile), ('folder of photos', photo_folder, os.path.isdir)):
        if not exists(place):
            raise FileNotFoundError(f'expected a {kind}, got {place}, which does not exist')
    if not h5py.is_hdf5(path):
        raise ValueError(f'{path} must be an HDF5 file, got another; pass the 14-point .mat file of a split')
    with h5py.File(path) as file:
        if 'pp' not in file or file['pp'].ndim != 2 or file['pp'].shape[1] != 28:
            raise ValueError(f"{path} must hold 'pp' with 28 columns, got {sorted(file)}; pass the 14-point file")
        rows = torch.from_numpy(file['pp'][()]).float()
    names = sorted(name for name in os.listdir(photo_folder) if name.lower().endswith(PHOTO_SUFFIXES))
    if len(names) != len(rows):
        raise ValueError(
            f'{path} must have one row per photo, got {len(rows)} rows and {len(names)} photos in {photo_folder}; pass '
            'the whole folder of the same split'
        )
    points = rows.unflatten(1, (2, 14)).transpose(1, 2) - 0.5  # the middle of pixel 1 lies at 0.5
    confidence = torch.isfinite(points).all(-1, keepdim=True).float()
    return Keypoints(names, without_missing(torch.cat((points, confidence), -1)), 'market14')
