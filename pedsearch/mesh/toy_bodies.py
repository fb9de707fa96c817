"""The bodies of people of the toy world in their crops, known exactly, and how the people would look turned.

Shape legend: N crops, V vertices, h x w pixels of a crop. World axes: z up; camera axes: x right, y down, z forward.
"""

import dataclasses
import hashlib
import math
import os
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .bodies import BodyProvider, BodyShape, Gait
from .crowd import Visit
from .fitted_bodies import NamedRows, read_arrays
from .person_meshes import PersonMeshes
from .toy_world import ToyWorld

FORMAT = 'pedsearch toy bodies 1'
_SHAPE = tuple(field.name for field in dataclasses.fields(BodyShape))


@dataclasses.dataclass(frozen=True)
class ToyCrop:
    """A crop of a person of the toy world.

    Attributes:
        name (str): of the crop, relative to the root of the crops.
        split (str): 'train' or 'test'.
        index (int): image of the split.
        bbox (tuple[int, int, int, int]): x1, y1, x2, y2, pixels of the image that the crop shows.
        visit (Visit): who, how and where.
    """

    name: str
    split: str
    index: int
    bbox: tuple[int, int, int, int]
    visit: Visit


def turned_visit(visit: Visit, angle: float, body: BodyProvider) -> Visit:
    """The person after a turn of :meth:`PersonMeshes.turned`: about the vertical through the mean of all vertices.

    Args:
        visit (Visit): The person.
        angle (float): Radians.
        body (BodyProvider): What people are made of.
    """
    middle = body.pose([visit.character.shape], [visit.gait])[0].mean(0)  # (3,), the body faces -y
    heading = visit.heading + angle
    old, new = (_rotation(about) for about in (visit.heading, heading))
    moved = middle @ (old - new)
    position = (visit.position[0] + float(moved[0]), visit.position[1] + float(moved[1]))
    return dataclasses.replace(visit, heading=heading, position=position)


def draw_turned(world: ToyWorld, crop: ToyCrop, angles_deg: Sequence[int]) -> list[np.ndarray]:
    """Pictures of a person alone in the place of the crop, turned.

    Args:
        world (ToyWorld): The world.
        crop (ToyCrop): The crop.
        angles_deg (Sequence[int]): Degrees.

    Returns:
        list[np.ndarray]: (h, w, 3) uint8 RGB for each angle.
    """
    x1, y1, x2, y2 = crop.bbox
    pictures = []
    for angle in angles_deg:
        visit = turned_visit(crop.visit, math.radians(angle), world.body)
        scene = world.render_visits(crop.split, crop.index, [visit])
        pictures.append(scene.image[y1:y2, x1:x2])
    return pictures


def save_toy_bodies(path: str, world: ToyWorld, crops: Sequence[ToyCrop]) -> None:
    """Write the bodies of N crops as an ``.npz`` file, whole or not at all."""
    cameras = [world.sites[crop.index % len(world.sites)].camera for crop in crops]
    visits, boxes = [crop.visit for crop in crops], np.array([crop.bbox for crop in crops], dtype=np.float32)
    arrays = dict(
        format=np.array(FORMAT),
        names=np.array([crop.name for crop in crops], dtype=str),
        shapes=np.array([[getattr(visit.character.shape, name) for name in _SHAPE] for visit in visits]),
        gaits=np.array([[visit.gait.phase, visit.gait.stride] for visit in visits]),
        headings=np.array([visit.heading for visit in visits]),
        positions=np.array([visit.position for visit in visits]),
        rotations=np.stack([camera.rotation.numpy() for camera in cameras]),
        centres=np.stack([camera.position.numpy() for camera in cameras]),
        focal=np.array([camera.focal for camera in cameras]),
        principal=np.array([camera.principal for camera in cameras]) - boxes[:, :2],
        photo_size=(boxes[:, 2:] - boxes[:, :2])[:, ::-1])
    unfinished = f'{path}.{os.getpid()}.part'
    with open(unfinished, 'wb') as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


@TASK_UTILS.register_module()
class ToyBodies:
    """Bodies of toy crops, undressed.

    Args:
        file (str): What :func:`save_toy_bodies` wrote.
        body (dict | BodyProvider, optional): What people are made of. Defaults to ``dict(type='AnnyBody')``.

    Attributes:
        names (list[str]): Crops it knows.
        fingerprint (str): Tells files apart by what they hold.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is another file.
    """

    def __init__(self, file: str, body: dict | BodyProvider | None = None) -> None:
        arrays = read_arrays(file, 'tools/dataset_converters/make_toy_views.py')
        if str(arrays.get('format')) != FORMAT:
            raise ValueError(f'{file} must be of format {FORMAT!r}, got {str(arrays.get("format", "none"))!r}; write '
                             'it with tools/dataset_converters/make_toy_views.py')
        self.names = arrays['names'].tolist()
        self._rows = NamedRows(self.names, file)
        self._arrays = {name: torch.from_numpy(array).float() for name, array in arrays.items()
                        if name not in ('format', 'names')}
        self._body = dict(type='AnnyBody') if body is None else body
        made_of = repr(body) if body is None or isinstance(body, dict) else type(body).__qualname__
        digest = hashlib.sha256(made_of.encode())
        for name in sorted(self._arrays):
            digest.update(self._arrays[name].numpy().tobytes())
        self.fingerprint = digest.hexdigest()

    def azimuths(self, names: Sequence[str]) -> Tensor:
        """Which side of each person the camera sees: (B,) radians of the heading against the line of sight, in
        (-pi, pi]; 0 is the front. :meth:`PersonMeshes.turned` by an angle raises it by that angle.
        """
        rows = self._rows(names)
        position, centre = self._arrays['positions'][rows], self._arrays['centres'][rows, :2]
        sight = position - centre  # (B, 2), from the camera to the person; the body faces -y at heading 0
        bearing = torch.atan2(-sight[:, 0], sight[:, 1])
        azimuth = self._arrays['headings'][rows] - bearing
        return torch.atan2(azimuth.sin(), azimuth.cos())

    def __call__(self, names: Sequence[str]) -> PersonMeshes:
        """Bodies (B) on these crops."""
        rows, arrays = self._rows(names), self._arrays
        if isinstance(self._body, dict):
            self._body = TASK_UTILS.build(self._body)
        shapes = [BodyShape(*values) for values in arrays['shapes'][rows].tolist()]
        gaits = [Gait(*values) for values in arrays['gaits'][rows].tolist()]
        local = self._body.pose(shapes, gaits)  # (B, V, 3)
        turns = torch.stack([_rotation(heading) for heading in arrays['headings'][rows].tolist()])
        ground = torch.cat([arrays['positions'][rows], torch.zeros(len(rows), 1)], dim=1)
        world = local @ turns + ground[:, None]
        rotations = arrays['rotations'][rows]  # (B, 3, 3), rows are the camera's axes
        vertices = (world - arrays['centres'][rows][:, None]) @ rotations.transpose(1, 2)
        return PersonMeshes(vertices, self._body.faces, arrays['focal'][rows], arrays['principal'][rows],
                            arrays['photo_size'][rows], up=rotations[:, :, 2])


def _rotation(heading: float) -> Tensor:
    """Matrix (3, 3) that turns row vectors by a heading in radians, as the toy world places people."""
    cos, sin = math.cos(heading), math.sin(heading)
    return torch.tensor([[cos, sin, 0.], [-sin, cos, 0.], [0., 0., 1.]])
