"""Static things that stand in a place and hide people: lamps, bollards, benches, cars, bushes, planters, trees.

World axes, metres; a thing is built around the origin and stands on z = 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .garments import ellipsoid, grid_faces

Part = tuple[tuple[Tensor, Tensor], tuple[float, float, float]]
"""((vertices, faces), sRGB colour)."""


@dataclass(frozen=True)
class Prop:
    """A static thing.

    Args:
        vertices (Tensor): (V, 3) world, metres.
        faces (Tensor): (F, 3).
        color (tuple[float, float, float]): sRGB.
        footprint (tuple[float, float, float]): x, y and radius of the ground it takes.
    """

    vertices: Tensor
    faces: Tensor
    color: tuple[float, float, float]
    footprint: tuple[float, float, float]


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> tuple[Tensor, Tensor]:
    """Axis-parallel box, corners not shared so that its edges stay sharp: (24, 3) and (12, 3)."""
    corners = torch.tensor([[(low, high)[i >> k & 1][k] for k in range(3)] for i in range(8)])
    sides = torch.tensor([[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]])
    start = torch.arange(6)[:, None] * 4
    faces = torch.cat((start + torch.tensor([0, 1, 2]), start + torch.tensor([0, 2, 3])))
    return corners[sides.flatten()], faces


def cylinder(x: float, y: float, radius: float, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Upright tube without lids."""
    turn = torch.arange(14) * (2 * math.pi / 14)
    ring = torch.stack((x + radius * turn.cos(), y + radius * turn.sin()), 1)
    vertices = torch.cat([torch.cat((ring, torch.full((14, 1), z)), 1) for z in (low, high)])
    return vertices, grid_faces(2, 14, True)


def _lamp(rng: np.random.Generator) -> list[Part]:
    tone = (0.22, 0.24, 0.25)
    return [
        (cylinder(0, 0, 0.07, 0.0, 4.6), tone),
        (cylinder(0, 0, 0.13, 0.0, 0.5), tone),
        (ellipsoid((0.0, 0.0, 4.7), (0.24, 0.24, 0.2)), (0.95, 0.93, 0.85)),
    ]


def _bollard(rng: np.random.Generator) -> list[Part]:
    red, white = (0.75, 0.20, 0.12), (0.92, 0.92, 0.9)
    post, band = cylinder(0, 0, 0.12, 0.0, 0.95), cylinder(0, 0, 0.125, 0.62, 0.78)
    return [(post, red), (band, white), (ellipsoid((0.0, 0.0, 0.95), (0.12, 0.12, 0.06)), red)]


def _bench(rng: np.random.Generator) -> list[Part]:
    wood, iron = (0.50, 0.33, 0.18), (0.2, 0.2, 0.22)
    slats = [(box((-0.9, -0.25 + 0.17 * k, 0.42), (0.9, -0.12 + 0.17 * k, 0.47)), wood) for k in range(3)]
    back = [(box((-0.9, 0.24, 0.56 + 0.16 * k), (0.9, 0.28, 0.68 + 0.16 * k)), wood) for k in range(2)]
    legs = [(box((s - 0.04, -0.22, 0.0), (s + 0.04, 0.28, 0.42)), iron) for s in (-0.7, 0.7)]
    return slats + back + legs


def _car(rng: np.random.Generator) -> list[Part]:
    paint = ((0.62, 0.10, 0.10), (0.14, 0.24, 0.42), (0.72, 0.73, 0.74), (0.85, 0.84, 0.80), (0.12, 0.32, 0.24))
    color = paint[rng.integers(len(paint))]
    body = ellipsoid((0.0, 0.0, 0.58), (2.1, 0.86, 0.36), 16, 32, boxiness=0.42)
    cabin = ellipsoid((-0.15, 0.0, 1.02), (1.12, 0.72, 0.42), 14, 28, boxiness=0.6)
    roof = ellipsoid((-0.15, 0.0, 1.36), (0.85, 0.66, 0.10), 10, 24, boxiness=0.7)
    wheels = []
    for x in (-1.3, 1.3):
        for y in (-0.80, 0.80):
            wheels.append((ellipsoid((x, y, 0.32), (0.32, 0.14, 0.32), 14, 14), (0.06, 0.06, 0.06)))
            wheels.append((ellipsoid((x, y * 1.10, 0.32), (0.17, 0.08, 0.17), 12, 12), (0.6, 0.6, 0.62)))
    lights = [(ellipsoid((2.02, y, 0.66), (0.10, 0.14, 0.08)), (0.95, 0.93, 0.8)) for y in (-0.6, 0.6)]
    return [(body, color), (cabin, (0.16, 0.19, 0.22)), (roof, color), *wheels, *lights]


def _bush(rng: np.random.Generator) -> list[Part]:
    parts = []
    for _ in range(14):
        x, y = rng.normal(0, 0.34, 2)
        r = rng.uniform(0.24, 0.42)
        green = rng.uniform(0.8, 1.15) * np.array([0.20, 0.36, 0.14])
        vertices, faces = ellipsoid((x, y, rng.uniform(0.25, 0.75)), (r, r, r), 8, 12)
        vertices = vertices + torch.from_numpy(rng.normal(0, 0.025, vertices.shape)).float()
        parts.append(((vertices, faces), tuple(green.tolist())))
    return parts


def _planter(rng: np.random.Generator) -> list[Part]:
    tub = [
        (box((-0.8, -0.3, 0.0), (0.8, 0.3, 0.55)), (0.58, 0.55, 0.50)),
        (box((-0.84, -0.34, 0.5), (0.84, 0.34, 0.58)), (0.50, 0.47, 0.43)),
    ]
    for _ in range(16):
        x, y = rng.uniform(-0.7, 0.7), rng.uniform(-0.2, 0.2)
        green = rng.uniform(0.8, 1.2) * np.array([0.24, 0.42, 0.18])
        bloom = (0.85, 0.30, 0.42) if rng.random() < 0.3 else tuple(green.tolist())
        r = rng.uniform(0.06, 0.17)
        tub.append((ellipsoid((x, y, 0.62 + rng.uniform(0, 0.16)), (r, r, r), 7, 9), bloom))
    return tub


def _tree(rng: np.random.Generator) -> list[Part]:
    parts = [(cylinder(0, 0, 0.16, 0.0, 2.6), (0.34, 0.24, 0.16))]
    for _ in range(26):
        x, y = rng.normal(0, 0.7, 2)
        r = rng.uniform(0.45, 0.8)
        green = rng.uniform(0.75, 1.2) * np.array([0.22, 0.38, 0.14])
        vertices, faces = ellipsoid((x, y, rng.uniform(2.6, 4.4)), (r, r, r * 0.8), 8, 12)
        vertices = vertices + torch.from_numpy(rng.normal(0, 0.05, vertices.shape)).float()
        parts.append(((vertices, faces), tuple(green.tolist())))
    return parts


PROPS: dict[str, tuple[Callable[[np.random.Generator], list[Part]], float]] = dict(
    lamp=(_lamp, 0.25), bollard=(_bollard, 0.25), bench=(_bench, 0.95), car=(_car, 1.9), bush=(_bush, 0.8),
    planter=(_planter, 0.85), tree=(_tree, 0.4),
)  # fmt: skip
"""Name -> (parts, radius of the footprint in metres)."""


def place_prop(name: str, x: float, y: float, turn: float, rng: np.random.Generator) -> list[Prop]:
    """Put one thing of :data:`PROPS` on the ground at (x, y), turned by ``turn`` radians."""
    build, radius = PROPS[name]
    cos, sin = math.cos(turn), math.sin(turn)
    spin = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    move = torch.tensor([x, y, 0.0], dtype=torch.float32)
    return [Prop(vertices @ spin + move, faces, color, (x, y, radius)) for (vertices, faces), color in build(rng)]
