"""Grey pictures of the body on a photo, as photographed and turned, drawn when asked for.

Shape legend: A angles of one photo, N photos, H x W pixels of a picture; background is 255.
"""

import hashlib
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .person_meshes import MeshProvider, PersonMeshes
from .renderers import SoftwareRenderer, vertex_normals

ANGLES_DEG = (0, 45, 90, 135, 180, 225, 270, 315)
"""Angles that people are turned by in the literature."""


def render_turned(people: PersonMeshes, angles_deg: Sequence[float], renderer: SoftwareRenderer) -> Tensor:
    """Draw each person turned by an angle of his own.

    Args:
        people (PersonMeshes): B people.
        angles_deg (sequence of float): B angles in degrees.
        renderer (SoftwareRenderer): Or another with its ``draw`` and ``image_size``; the picture shows the whole photo.

    Returns:
        Tensor: (B, H, W) uint8.
    """
    turned = people.turned(torch.deg2rad(people.vertices.new_tensor(angles_deg)))
    normals = vertex_normals(turned.vertices, turned.faces)
    output = renderer.draw(turned.project(renderer.image_size), normals, turned.faces)
    return (output.image[:, 0] * 255).round().to(torch.uint8)


class ViewStore:
    """Pictures of N names at A angles in a memory-mapped file, which several processes fill at once.

    A picture is written before its flag, and whoever writes a picture writes the same bytes, so a process that dies or
    two that write one picture leave nothing wrong behind. The files are sparse: what is not drawn takes no room.

    Args:
        path (str): The pictures; their flags lie beside them in ``path + '.done'``. Both are made if missing.
        shape (tuple[int, int, int, int]): (N, A, H, W).

    Raises:
        ValueError: A file of another size is there.

    State:
        views (N, A, H, W) uint8 and done (N, A) uint8, changed by :meth:`put`.
    """

    def __init__(self, path: str, shape: tuple[int, int, int, int]) -> None:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        self.views = self._open(path, shape)
        self.done = self._open(path + '.done', shape[:2])

    @staticmethod
    def _open(path: str, shape: tuple[int, ...]) -> np.memmap:
        size = int(np.prod(shape))
        with open(path, 'ab') as file:
            if file.tell() == 0:
                file.truncate(size)  # of two processes that come here the second changes nothing
        if os.path.getsize(path) != size:
            raise ValueError(f'{path} must have {size} bytes, got {os.path.getsize(path)}; delete it and its .done')
        return np.memmap(path, np.uint8, 'r+', shape=shape)

    def get(self, row: int, columns: Sequence[int]) -> list[np.ndarray | None]:
        """Pictures (H, W) of a name, None where not yet drawn."""
        return [np.array(self.views[row, column]) if self.done[row, column] else None for column in columns]

    def put(self, row: int, column: int, picture: np.ndarray) -> None:
        self.views[row, column] = picture
        self.done[row, column] = 1


@TASK_UTILS.register_module()
class MeshViewGenerator:
    """Pictures of the body on a photo, turned about its vertical.

    Args:
        bodies (dict | MeshProvider): Where bodies come from.
        image_size (tuple[int, int]): (height, width) of the pictures; a picture shows what the whole photo shows.
        renderer (dict | SoftwareRenderer, optional): Draws them. Defaults to ``SoftwareRenderer(image_size)``.
        cache (str, optional): 'memory', or a folder in which several processes share what they drew, in one file of
            ``names x angles_deg`` pictures for every combination of bodies, size and renderer. Defaults to none.
        angles_deg (sequence of int): Angles that a folder keeps; others are drawn at every call.

    Raises:
        ValueError: The renderer draws another size, or bodies without names shall be kept in a folder.

    State:
        what is kept, changed by calls.
    """

    def __init__(
        self,
        bodies: dict | MeshProvider,
        image_size: tuple[int, int],
        renderer: dict | SoftwareRenderer | None = None,
        cache: str | None = None,
        angles_deg: Sequence[int] = ANGLES_DEG,
    ) -> None:
        self.bodies = TASK_UTILS.build(bodies) if isinstance(bodies, dict) else bodies
        self.image_size = tuple(image_size)
        renderer = SoftwareRenderer(self.image_size) if renderer is None else renderer
        self.renderer = TASK_UTILS.build(renderer) if isinstance(renderer, dict) else renderer
        if tuple(self.renderer.image_size) != self.image_size:
            raise ValueError(
                f'the renderer must draw {self.image_size} (height, width), got {self.renderer.image_size}; give both '
                'one image_size'
            )
        self.cache = cache
        self._column_of = {int(angle) % 360: column for column, angle in enumerate(angles_deg)}
        self._memory: dict[tuple[str, int], np.ndarray] = {}
        self._store: ViewStore | None = None
        self._row_of: dict[str, int] = {}
        if cache not in (None, 'memory'):
            if not getattr(self.bodies, 'names', None) or not hasattr(self.bodies, 'fingerprint'):
                raise ValueError(
                    f'a cache in a folder needs bodies with names and fingerprint, got {self.bodies!r}; use '
                    "cache='memory'"
                )
            self._row_of = {name: row for row, name in enumerate(self.bodies.names)}
            try:
                self._open_store()
            except OSError as error:
                raise ValueError(f'the cache must be a folder that can be written, got {cache!r} '
                                 f"({error.strerror}); name another, or use cache='memory'") from None

    def _path(self) -> str:
        setting = (self.bodies.fingerprint, self.image_size, sorted(self._column_of.items()))
        drawing = (type(self.renderer).__name__, sorted(vars(self.renderer).items()))
        digest = hashlib.sha256(repr((setting, drawing)).encode() + '\n'.join(self._row_of).encode())
        return os.path.join(self.cache, f'views-{digest.hexdigest()[:16]}.u8')

    def _open_store(self) -> ViewStore:
        if self._store is None:
            self._store = ViewStore(self._path(), (len(self._row_of), len(self._column_of), *self.image_size))
        return self._store

    def __call__(self, name: str, angles_deg: Sequence[int]) -> np.ndarray:
        """Pictures (A, H, W) uint8 of the body on photo ``name``, turned by A angles in degrees.

        Raises:
            ValueError: The provider knows no such photo.
        """
        angles = [int(angle) % 360 for angle in angles_deg]
        views = self._kept(name, angles)
        missing = sorted({angle for angle, view in zip(angles, views) if view is None})
        if missing:
            people = self.bodies([name])[[0] * len(missing)]
            drawn = dict(zip(missing, render_turned(people, missing, self.renderer).cpu().numpy()))
            for angle, picture in drawn.items():
                self._keep(name, angle, picture)
            views = [drawn[angle] if view is None else view for angle, view in zip(angles, views)]
        return np.stack(views) if views else np.empty((0, *self.image_size), np.uint8)

    def _kept(self, name: str, angles: Sequence[int]) -> list[np.ndarray | None]:
        if self.cache == 'memory':
            return [self._memory.get((name, angle)) for angle in angles]
        views: list[np.ndarray | None] = [None] * len(angles)
        if name in self._row_of:
            known = [index for index, angle in enumerate(angles) if angle in self._column_of]
            columns = [self._column_of[angles[index]] for index in known]
            for index, view in zip(known, self._open_store().get(self._row_of[name], columns)):
                views[index] = view
        return views

    def _keep(self, name: str, angle: int, picture: np.ndarray) -> None:
        if self.cache == 'memory':
            self._memory[name, angle] = picture
        elif name in self._row_of and angle in self._column_of:
            self._open_store().put(self._row_of[name], self._column_of[angle], picture)

    def __getstate__(self) -> dict[str, Any]:
        """A started worker opens the file itself."""
        return {**self.__dict__, '_store': None}

    def __repr__(self) -> str:
        return f'{type(self).__name__}(bodies={self.bodies!r}, image_size={self.image_size}, cache={self.cache!r})'
