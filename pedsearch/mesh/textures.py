"""Procedural colours of ground, houses, trees and sky, as functions of world coordinates.

Colours are sRGB in [0, 1]; lengths are metres. Every function is deterministic in its ``seed``.
"""

from collections.abc import Callable

import torch
from torch import Tensor


def lattice_noise(points: Tensor, seed: int) -> Tensor:
    """Smooth random values in [0, 1] over the plane.

    Args:
        points (Tensor): (..., 2); the lattice has spacing 1.
        seed (int): Picks the pattern.

    Returns:
        Tensor: (...).

    Source: own (value noise on an integer hash).
    """
    cell = torch.floor(points)
    part = points - cell
    part = part * part * (3 - 2 * part)
    ix, iy = cell.long().unbind(-1)

    def corner(dx: int, dy: int) -> Tensor:
        h = (ix + dx) * 374761393 + (iy + dy) * 668265263 + seed * 974634777
        h = ((h ^ (h >> 13)) * 1274126177) & 0x7FFFFFFF
        return ((h ^ (h >> 16)) & 0xFFFF).float() / 0xFFFF

    u, v = part.unbind(-1)
    near = corner(0, 0) * (1 - u) + corner(1, 0) * u
    far = corner(0, 1) * (1 - u) + corner(1, 1) * u
    return near * (1 - v) + far * v


def layered_noise(points: Tensor, seed: int, octaves: int = 4) -> Tensor:
    """Sum of :func:`lattice_noise` at doubling frequencies, in [0, 1]."""
    total = sum(lattice_noise(points * 2**k, seed + k) / 2**k for k in range(octaves))
    return total / (2 - 2 ** (1 - octaves))


def _joint(value: Tensor, period: float, width: float) -> Tensor:
    """Whether a coordinate lies in the joint between tiles."""
    return torch.remainder(value, period) < width


def _asphalt(xy: Tensor, seed: int) -> Tensor:
    base = 0.27 + 0.10 * layered_noise(xy * 1.3, seed) + 0.06 * lattice_noise(xy * 30, seed)
    color = base[..., None] * torch.tensor([0.98, 1.0, 1.04])
    x, y = xy.unbind(-1)
    stripe = (_joint(x, 1.1, 0.55) & ((y - 9.5).abs() < 1.3)) | (((y - 13.6).abs() < 0.09) & _joint(x, 2.4, 1.5))
    worn = layered_noise(xy * 2.5, seed + 9) > 0.33
    return torch.where((stripe & worn)[..., None], torch.tensor(0.80), color)


def _slabs(xy: Tensor, seed: int) -> Tensor:
    x, y = xy.unbind(-1)
    row = torch.floor(y / 0.8)
    shifted = x + 0.5 * torch.remainder(row, 2)
    cell = torch.stack((torch.floor(shifted), row), -1)
    tone = 0.55 + 0.10 * lattice_noise(cell + 0.01, seed) + 0.10 * layered_noise(xy * 1.5, seed + 3) - 0.05
    tone = torch.where(_joint(shifted, 1.0, 0.035) | _joint(y, 0.8, 0.035), tone * 0.68, tone)
    return tone[..., None] * torch.tensor([1.0, 0.95, 0.86])


def _lawn(xy: Tensor, seed: int) -> Tensor:
    x = xy[..., 0]
    blades = layered_noise(xy * 1.2, seed, 5)[..., None]
    fine = lattice_noise(xy * 22, seed + 5)[..., None]
    grass = torch.tensor([0.26, 0.40, 0.17]) * (0.72 + 0.45 * blades + 0.25 * fine)
    gravel = torch.tensor([0.66, 0.58, 0.46]) * (0.82 + 0.25 * layered_noise(xy * 3, seed + 7)[..., None] + 0.10 * fine)
    edge = 2.6 + 0.5 * layered_noise(xy * 0.7, seed + 11)
    return torch.where(((x - 0.12 * (xy[..., 1] - 9)).abs() < edge)[..., None], gravel, grass)


def _terrazzo(xy: Tensor, seed: int) -> Tensor:
    x, y = xy.unbind(-1)
    check = (torch.floor(x / 1.2) + torch.floor(y / 1.2)).remainder(2)
    speck = lattice_noise(xy * 14, seed)
    tone = 0.46 + 0.20 * check + 0.10 * (speck - 0.5)
    color = tone[..., None] * torch.tensor([0.96, 0.98, 1.0])
    seam = _joint(x, 1.2, 0.02) | _joint(y, 1.2, 0.02)
    return torch.where(seam[..., None], color * 0.75, color)


GROUNDS: dict[str, Callable[[Tensor, int], Tensor]] = dict(
    asphalt=_asphalt, slabs=_slabs, lawn=_lawn, terrazzo=_terrazzo
)
"""Name -> colour (..., 3) of the ground at the points (..., 2) in metres."""

_WALLS = (
    (0.62, 0.36, 0.28), (0.78, 0.74, 0.66), (0.55, 0.60, 0.66), (0.82, 0.70, 0.52), (0.70, 0.52, 0.44),
    (0.60, 0.64, 0.56),
)  # fmt: skip


def _row_hash(index: Tensor, seed: int) -> Tensor:
    """A random value in [0, 1] for every integer."""
    return lattice_noise(torch.stack((index, torch.full_like(index, 3.0)), -1), seed)


def _houses(along: Tensor, up: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """A row of houses, 7.5 m wide each, of different colours and heights."""
    house = torch.floor(along / 7.5 + 0.37 * seed)
    pick = torch.remainder(house * 5 + seed, len(_WALLS)).long()
    top = 4.1 + 3.2 * torch.floor(2.6 * _row_hash(house, seed)) + 0.5 * _row_hash(house, seed + 1)
    within = torch.remainder(along + 7.5 * 0.37 * seed, 7.5)
    u, v = torch.remainder(within, 2.5), torch.remainder(up - 0.9, 3.2)
    grain = layered_noise(torch.stack((along, up), -1) * 2, seed)[..., None]
    color = torch.tensor(_WALLS)[pick] * (0.85 + 0.25 * grain)
    course = torch.remainder(torch.floor(up / 0.25), 2)
    brick = _joint(up, 0.25, 0.05) | _joint(along + 0.3 * course, 0.6, 0.05)
    color = torch.where((brick & (pick == 0))[..., None], color * 0.82, color)
    color = torch.where((within < 0.12)[..., None], color * 0.7, color)
    floors = (up > 0.9) & (up < top - 0.75)
    frame = (u > 0.55) & (u < 1.95) & (v > 0.50) & (v < 2.30) & floors
    pane = (u > 0.65) & (u < 1.85) & (v > 0.62) & (v < 2.20) & ((u - 1.25).abs() > 0.04) & frame
    shine = (0.26 + 0.30 * lattice_noise(torch.stack((along * 0.6, up * 0.9), -1), seed + 2))[..., None]
    color = torch.where(frame[..., None], torch.tensor(0.88), color)
    color = torch.where(pane[..., None], shine * torch.tensor([0.72, 0.88, 1.0]), color)
    door = (house.remainder(2) == 0) & (within > 3.2) & (within < 4.4) & (up < 2.35)
    color = torch.where(door[..., None], torch.tensor([0.30, 0.20, 0.16]), color)
    plinth = (up < 0.35) & ~door
    color = torch.where(plinth[..., None], torch.tensor([0.36, 0.35, 0.34]), color)
    cornice = (up > top - 0.30) & (up <= top)
    return torch.where(cornice[..., None], color * 0.6, color), up <= top


def _trees(along: Tensor, up: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The edge of a wood."""
    line = torch.stack((along, torch.full_like(along, 5.0)), -1)
    crowns = lattice_noise(line * 0.45, seed) * 2.2 + lattice_noise(line * 1.9, seed + 4) * 0.7
    top = 4.3 + crowns
    leaf = layered_noise(torch.stack((along, up * 1.2), -1) * 1.6, seed + 1, 5)
    depth = (up / top).clamp(0, 1)
    tone = (0.45 + 0.75 * leaf) * (0.55 + 0.55 * depth)
    return tone[..., None] * torch.tensor([0.30, 0.44, 0.20]), up <= top


SKYLINES: dict[str, Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]] = dict(houses=_houses, trees=_trees)
"""Name -> (colour (..., 3), whether anything is there) of an upright plane at (metres along, metres above ground)."""


def sky(rays: Tensor, seed: int) -> Tensor:
    """Colour of the sky with clouds along rays (..., 3): (..., 3)."""
    unit = torch.nn.functional.normalize(rays, dim=-1)
    rise = unit[..., 2:].clamp(0, 1)
    blue = torch.tensor([0.80, 0.88, 0.96]) * (1 - rise.sqrt()) + torch.tensor([0.34, 0.56, 0.88]) * rise.sqrt()
    plane = unit[..., :2] / (unit[..., 2:] + 0.25).clamp(min=0.05)
    cloud = ((layered_noise(plane * 2.5, seed, 5) - 0.45) * 3).clamp(0, 1)[..., None]
    return blue * (1 - 0.8 * cloud) + 0.97 * 0.8 * cloud
