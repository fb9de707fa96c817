"""Made-up people before cameras, for tests and for trying things without fits.

Shape legend: B people, V vertices.
"""

import hashlib
import math
import zlib
from collections.abc import Sequence

import numpy as np
import torch

from pedsearch.registry import TASK_UTILS

from .bodies import BodyProvider, BodyShape, Gait
from .body_pose import BODY_TO_CAMERA, rotation_from_vector
from .person_meshes import PersonMeshes


@TASK_UTILS.register_module()
class WalkingBodies:
    """One walker for every name, drawn from the name alone: any name has one, and always the same.

    Args:
        body (dict | BodyProvider, optional): Who walks. Defaults to ``dict(type='PrismBody')``.
        photo_size (tuple[int, int]): (height, width) of every photo in pixels. Defaults to (128, 64).
        names (sequence of str): Photos it is known to be asked for, which a cache on disk needs. Defaults to none.
        seed (int): Draws other people. Defaults to 0.
    """

    def __init__(
        self,
        body: dict | BodyProvider | None = None,
        photo_size: tuple[int, int] = (128, 64),
        names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        body = dict(type='PrismBody') if body is None else body
        self.body = TASK_UTILS.build(body) if isinstance(body, dict) else body
        self.photo_size = tuple(photo_size)
        self.names = list(names)
        self.seed = seed
        setting = (repr(body) if isinstance(body, dict) else type(body).__qualname__, self.photo_size, seed)
        self.fingerprint = hashlib.sha256(repr(setting).encode()).hexdigest()

    def __call__(self, names: Sequence[str]) -> PersonMeshes:
        """People on B photos: they fill nine tenths of the height, five heights away."""
        shapes, gaits, yaws = [], [], []
        for name in names:
            rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
            gaits.append(Gait(rng.uniform(0, 2 * math.pi), rng.uniform(0.1, 1.0)))
            shapes.append(BodyShape(gender=rng.uniform(), weight=rng.uniform(0.3, 0.7), height=rng.uniform(0.3, 0.7)))
            yaws.append((0.0, 0.0, rng.uniform(-math.pi, math.pi)))
        vertices = self.body.pose(shapes, gaits)
        tall = vertices[..., 2].amax(1)
        middle = vertices.new_tensor([0.0, 0.0, 0.5]) * tall[:, None]
        to_camera = BODY_TO_CAMERA @ rotation_from_vector(torch.tensor(yaws, dtype=torch.float32))
        vertices = (vertices - middle[:, None]) @ to_camera.transpose(1, 2)
        height, width = self.photo_size
        focal = vertices.new_full((len(names),), 5.0 * height)
        vertices[..., 2] += (focal * tall / (0.9 * height))[:, None]
        size = vertices.new_tensor([[height, width]]).expand(len(names), 2)
        return PersonMeshes(vertices, self.body.faces, focal, size.flip(1) / 2, size)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(body={self.body!r}, photo_size={self.photo_size}, seed={self.seed})'
