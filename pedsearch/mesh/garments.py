"""Geometry that a body wears: hat, long hair, backpack and skirt, cut on the average body at rest.

Shape legend: V body vertices, K garment vertices, F triangles. Unit of length: the body's height.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from .bodies import Attachment, BodyPart, BodyProvider, attach
from .renderers import vertex_normals


class Piece(IntEnum):
    """What a triangle belongs to."""

    BODY = 0
    SKIRT = 1
    HAT = 2
    HAIR = 3
    BACKPACK = 4


@dataclass(frozen=True)
class Wardrobe:
    """A body and everything it can wear as one mesh; a person's triangles are the pieces that person wears.

    Args:
        attachments (list[Attachment]): For :meth:`BodyProvider.pose`.
        faces (Tensor): (F, 3) of body and garments.
        pieces (Tensor): (F,) int64 of :class:`Piece`.
        rest (Tensor): (V + K, 3) position at rest.
        arm (Tensor): (V + K, 2) how much a vertex follows the arms, in [0, 1], and how far down the arm it is: 0 at the
            shoulder, 1 at the wrist.
        parts (Tensor): (V + K,) int64 of :class:`BodyPart`, -1 for garments.
        neighbours (Tensor): (V + K, D) int64, vertices that share an edge with each, padded with V + K.
        degree (Tensor): (V + K,) int64, their number.
    """

    attachments: list[Attachment]
    faces: Tensor
    pieces: Tensor
    rest: Tensor
    arm: Tensor
    parts: Tensor
    neighbours: Tensor
    degree: Tensor

    def drape(self, vertices: Tensor, faces: Tensor, thickness: Tensor, passes: int = 5) -> Tensor:
        """Lay cloth over a posed body: what is clothed loses its relief and stands off the skin.

        Args:
            vertices (Tensor): (V + K, 3) in metres.
            faces (Tensor): (F, 3) the triangles worn.
            thickness (Tensor): (V + K,) metres, 0 where the skin is bare.
            passes (int): Rounds of smoothing. Defaults to 5.

        Returns:
            Tensor: (V + K, 3).
        """
        clothed = (thickness > 0).nonzero()[:, 0]
        table, degree = self.neighbours[clothed], self.degree[clothed, None]
        # One more row, of zeros, for the padding of the table to point to.
        padded = torch.cat((vertices, vertices.new_zeros(1, 3)))
        for _ in range(passes):
            padded[clothed] = padded[table].sum(1) / degree
        vertices = padded[:-1]
        return vertices + vertex_normals(vertices[None], faces)[0] * thickness[:, None]


def grid_faces(rows: int, cols: int, wrap: bool) -> Tensor:
    """Triangles of a (rows, cols) grid of vertices; ``wrap`` joins the last column to the first."""
    r, c = torch.meshgrid(torch.arange(rows - 1), torch.arange(cols if wrap else cols - 1), indexing='ij')
    corner = (r * cols + c).flatten()
    right = (r * cols + (c + 1) % cols).flatten()
    quads = torch.stack((corner, right, right + cols, corner + cols), 1)
    return torch.cat((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))


def ellipsoid(
    center: tuple[float, float, float] | Tensor,
    radii: tuple[float, float, float] | Tensor,
    rows: int = 10,
    cols: int = 16,
    top: float = 0.0,
    bottom: float = math.pi,
    boxiness: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Part of an ellipsoid between two polar angles, as vertices (rows * cols, 3) and outward triangles.

    Args:
        center, radii: (3,).
        rows, cols (int): Grid.
        top, bottom (float): Polar angles in radians, 0 is straight up.
        boxiness (float): Exponent on the coordinates; 1 is an ellipsoid, 0.5 nearly a box.
    """
    polar, turn = torch.meshgrid(
        torch.linspace(top, bottom, rows), torch.arange(cols) * (2 * math.pi / cols), indexing='ij'
    )
    unit = torch.stack((polar.sin() * turn.cos(), polar.sin() * turn.sin(), polar.cos()), -1).reshape(-1, 3)
    unit = unit.sign() * unit.abs() ** boxiness
    center, radii = (torch.as_tensor(value, dtype=torch.float32) for value in (center, radii))
    return center + unit * radii, grid_faces(rows, cols, True)[:, [0, 2, 1]]


def _head_box(body: BodyProvider) -> tuple[Tensor, Tensor]:
    """Centre and half extents of the skull (neck and jaw left out)."""
    rest = body.rest
    skull = rest.vertices[(rest.parts == BodyPart.HEAD) & (rest.vertices[:, 2] > rest.joints['head'][2] + 0.015)]
    low, high = skull.amin(0), skull.amax(0)
    return (low + high) / 2, (high - low) / 2


def _hat(body: BodyProvider) -> tuple[Attachment, Tensor]:
    center, radii = _head_box(body)
    center = center + torch.tensor([0.0, 0.004, 0.008])
    dome, dome_faces = ellipsoid(center, radii * torch.tensor([1.22, 1.12, 1.16]), bottom=math.pi * 0.56)
    turn = torch.arange(16) * (2 * math.pi / 16)
    front = (-turn.sin()).clamp(min=0)
    inner = dome[-16:]
    outer = inner + torch.stack((turn.cos() * 0.010, turn.sin() * (0.010 + 0.030 * front), -0.006 - 0.008 * front), 1)
    brim = torch.cat((inner, outer))
    vertices = torch.cat((dome, brim))
    faces = torch.cat((dome_faces, grid_faces(2, 16, True) + len(dome)))
    return attach(body, vertices, ('head',)), faces


def _hair(body: BodyProvider) -> tuple[Attachment, Tensor]:
    """A curtain from the crown over the sides and the back down to the shoulder blades."""
    center, radii = _head_box(body)
    rows, cols = 12, 17
    fall = torch.linspace(0, 1, rows)
    turn = torch.linspace(-0.18 * math.pi, 1.18 * math.pi, cols)  # pi / 2 is the back
    polar = (fall / 0.45).clamp(max=1) * (math.pi / 2)
    below = ((fall - 0.45) / 0.55).clamp(min=0)
    spread = polar.sin() * (1 - 0.12 * below)
    x = spread[:, None] * turn.cos() * radii[0] * 1.22
    y = spread[:, None] * turn.sin() * radii[1] * 1.12 + (0.012 * below)[:, None]
    length = 0.155 - 0.03 * turn.cos().abs()
    z = polar.cos()[:, None] * radii[2] * 1.12 - below[:, None] * length
    vertices = torch.stack((x, y, z), -1).reshape(-1, 3) + center + torch.tensor([0.0, 0.006, 0.006])
    to_chest = (below * 0.5).repeat_interleave(cols)
    weights = torch.stack((1 - to_chest, to_chest), 1)
    return attach(body, vertices, ('head', 'chest'), weights), grid_faces(rows, cols, False)


def _backpack(body: BodyProvider) -> tuple[Attachment, Tensor]:
    rest = body.rest
    torso = rest.vertices[rest.parts == BodyPart.TORSO]
    shoulder = float(rest.joints['shoulder'][2])
    upper = torso[(torso[:, 2] > shoulder - 0.12) & (torso[:, 0].abs() < 0.06)]
    center = (0.0, float(upper[:, 1].max()) + 0.030, shoulder - 0.085)
    vertices, faces = ellipsoid(center, (0.080, 0.046, 0.105), rows=12, cols=20, boxiness=0.55)
    return attach(body, vertices, ('chest',)), faces


def _skirt(body: BodyProvider) -> tuple[Attachment, Tensor]:
    rest = body.rest
    hip, knee = rest.joints['hip'], rest.joints['knee']
    rows, cols = 10, 32
    z = torch.linspace(float(hip[2]) + 0.055, float(knee[2]) + 0.045, rows)
    hips = rest.vertices[(rest.vertices[:, 2] - hip[2]).abs().lt(0.03) & (rest.arm_weight < 0.1)]
    center, half = (hips.amin(0) + hips.amax(0)) / 2, (hips.amax(0) - hips.amin(0)) / 2
    fall = torch.linspace(0, 1, rows)
    turn = torch.arange(cols) * (2 * math.pi / cols)
    pleat = 1 + 0.03 * fall[:, None] * (6 * turn).cos()
    x = (half[0] * (0.93 + 0.32 * fall.sqrt()))[:, None] * turn.cos() * pleat
    y = (half[1] * (1.02 + 0.36 * fall.sqrt()))[:, None] * turn.sin() * pleat
    vertices = torch.stack((x + center[0], y + center[1], z[:, None].expand(rows, cols)), -1).reshape(-1, 3)
    left = torch.sigmoid(vertices[:, 0] / 0.02)
    share = 0.75 * fall.repeat_interleave(cols)
    weights = torch.stack((1 - share, share * left, share * (1 - left)), 1)
    faces = grid_faces(rows, cols, True)[:, [0, 2, 1]]
    return attach(body, vertices, ('pelvis', 'thigh.L', 'thigh.R'), weights), faces


def build_wardrobe(body: BodyProvider) -> Wardrobe:
    """Cut every garment for a body."""
    cuts = [(Piece.SKIRT, _skirt), (Piece.HAT, _hat), (Piece.HAIR, _hair), (Piece.BACKPACK, _backpack)]
    rest, faces, pieces, attachments = [body.rest.vertices], [body.faces], [torch.zeros(len(body.faces)).long()], []
    for piece, cut in cuts:
        attachment, triangles = cut(body)
        faces.append(triangles + sum(len(part) for part in rest))
        pieces.append(torch.full((len(triangles),), int(piece)))
        rest.append(attachment.vertices)
        attachments.append(attachment)
    garments = sum(len(part) for part in rest[1:])
    neighbours, degree = _neighbours(torch.cat(faces), garments + len(rest[0]))
    arm = torch.stack((body.rest.arm_weight, _along_arm(body)), 1)
    return Wardrobe(
        attachments=attachments,
        faces=torch.cat(faces),
        pieces=torch.cat(pieces),
        rest=torch.cat(rest),
        arm=torch.cat((arm, arm.new_zeros(garments, 2))),
        parts=torch.cat((body.rest.parts, torch.full((garments,), -1))),
        neighbours=neighbours,
        degree=degree,
    )


def _along_arm(body: BodyProvider) -> Tensor:
    """(V,) 0 at the height of the shoulder, 1 at the wrist, seen from the front; both arms alike."""
    joints = body.rest.joints
    front = torch.tensor([1.0, 0.0, 1.0])
    reach = (joints['wrist'] - joints['shoulder']) * front
    mirrored = torch.cat((body.rest.vertices[:, :1].abs(), body.rest.vertices[:, 1:]), 1)
    return (mirrored - joints['shoulder']) @ reach / (reach @ reach)


def _neighbours(faces: Tensor, num_vertices: int) -> tuple[Tensor, Tensor]:
    """Vertices that share an edge with each: (V, D) int64 padded with V, and their number (V,)."""
    edges = torch.cat((faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]))
    edges = torch.unique(torch.cat((edges, edges.flip(1))), dim=0)  # sorted by the first column
    degree = torch.bincount(edges[:, 0], minlength=num_vertices)
    slot = torch.arange(len(edges)) - (torch.cumsum(degree, 0) - degree)[edges[:, 0]]
    table = torch.full((num_vertices, int(degree.max())), num_vertices)
    table[edges[:, 0], slot] = edges[:, 1]
    return table, degree
