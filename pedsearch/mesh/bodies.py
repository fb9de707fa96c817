"""People as triangle meshes: who they are (shape), how they stand (pose), and what part each vertex is.

A body provider turns shapes and walk-cycle phases into vertices. ``AnnyBody`` is a full human, ``PrismBody`` a stack
of boxes for tests and for installations without anny.

Shape legend: B bodies, V vertices, F triangles. World axes: z up, feet on z = 0, a body faces -y, its left is +x.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import torch
from torch import Tensor


class BodyPart(IntEnum):
    """What a vertex belongs to."""

    HEAD = 0
    TORSO = 1
    UPPER_ARM = 2
    LOWER_ARM = 3
    HAND = 4
    UPPER_LEG = 5
    LOWER_LEG = 6
    FOOT = 7


@dataclass(frozen=True)
class BodyShape:
    """Shape of one person; every number in [0, 1].

    Args:
        gender (float): 0 male, 1 female.
        age (float): 1/3 child, 2/3 young adult, 1 old.
        muscle, weight, height, proportions (float): Low to high, 0.5 average.
    """

    gender: float = 0.5
    age: float = 0.67
    muscle: float = 0.5
    weight: float = 0.5
    height: float = 0.5
    proportions: float = 0.5


@dataclass(frozen=True)
class Gait:
    """One moment of a walk.

    Args:
        phase (float): Radians in [0, 2 pi); at 0 the left foot strikes.
        stride (float): 0 stands, 1 walks briskly. Defaults to 0.8.
    """

    phase: float
    stride: float = 0.8


@dataclass(frozen=True)
class Rest:
    """The undressed body at rest, which clothes are cut on. Unit of length: the body's height; feet on z = 0.

    Args:
        vertices (Tensor): (V, 3), arms lowered halfway.
        parts (Tensor): (V,) int64 of :class:`BodyPart`.
        joints (dict[str, Tensor]): Name -> (3,) position of ``neck head shoulder elbow wrist hip knee ankle``, left
            side where there are two.
        arm_weight (Tensor): (V,) in [0, 1], how much a vertex follows the arms.
    """

    vertices: Tensor
    parts: Tensor
    joints: dict[str, Tensor]
    arm_weight: Tensor


@dataclass(frozen=True)
class Attachment:
    """Geometry that rides on a body.

    Args:
        vertices (Tensor): (K, 3) on the body at rest, in body heights.
        carriers (tuple[str, ...]): Names of :attr:`BodyProvider.carriers`, P of them.
        weights (Tensor): (K, P), how much each carries each vertex, rows sum to 1.
        neighbours (Tensor): (K, n) int64, the body's vertices nearest to each.
    """

    vertices: Tensor
    carriers: tuple[str, ...]
    weights: Tensor
    neighbours: Tensor


class BodyProvider(Protocol):
    """What dressing and rendering ask of a body.

    Attributes:
        faces (Tensor): (F, 3) int64, counter-clockwise seen from outside.
        weights (Tensor): (V, J) skinning weights.
        rest (Rest): The average body.
        height (float): Its height in metres.
        carriers (dict[str, int]): ``head chest pelvis thigh.L thigh.R`` -> bone index.
    """

    faces: Tensor
    weights: Tensor
    rest: Rest
    height: float
    carriers: dict[str, int]

    def pose(self, shapes: list[BodyShape], gaits: list[Gait], attachments: Sequence[Attachment] = ()) -> Tensor:
        """Vertices (B, V + sum K, 3) in metres, lowest point on z = 0, hips above the origin, facing -y."""


def gait_angles(phase: Tensor, stride: Tensor) -> dict[str, Tensor]:
    """Joint angles of the left side at a moment of a walk; the right side is half a cycle later.

    Args:
        phase (Tensor): (B,) radians, 0 at the strike of the foot.
        stride (Tensor): (B,) in [0, 1].

    Returns:
        dict[str, Tensor]: (B,) radians for ``hip`` (forward positive), ``knee`` (flexion), ``ankle`` (toes up),
        ``shoulder`` (forward positive) and ``elbow`` (flexion).

    Source: own, sinusoids fitted by eye to the usual gait curves.
    """
    swing = torch.sin(phase + math.pi + 0.35).clamp(min=0) ** 1.5  # knee bends while the leg comes forward
    hip = stride * (0.06 + 0.44 * torch.cos(phase))
    knee = 0.05 + stride * (0.06 + 0.85 * swing)
    ankle = 0.25 * (knee - hip) * stride
    shoulder = -0.06 - stride * 0.40 * torch.cos(phase)
    elbow = -0.30 + stride * (0.22 - 0.20 * torch.cos(phase))  # the arm at rest is already bent
    return dict(hip=hip, knee=knee, ankle=ankle, shoulder=shoulder, elbow=elbow)


def skin(rest: Tensor, weights: Tensor, transforms: Tensor) -> Tensor:
    r"""Linear blend skinning, :math:`v' = \sum_j w_j (R_j v + t_j)`.

    Args:
        rest (Tensor): (B, V, 3).
        weights (Tensor): (V, J), rows sum to 1.
        transforms (Tensor): (B, J, 4, 4) from rest to pose.

    Returns:
        Tensor: (B, V, 3).
    """
    blended = (weights @ transforms[:, :, :3].flatten(2)).unflatten(2, (3, 4))  # (V, J) @ (B, J, 12) -> (B, V, 3, 4)
    return (blended[..., :3] @ rest[..., None])[..., 0] + blended[..., 3]


def rotation_matrix(axis: Tensor, angle: Tensor) -> Tensor:
    """Rotations by ``angle`` (B,) radians about the unit vector ``axis`` (3,): (B, 3, 3) (Rodrigues' formula)."""
    x, y, z = axis.tolist()
    cross = axis.new_tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    return torch.eye(3, dtype=axis.dtype) + sin * cross + (1 - cos) * (cross @ cross)


def gait_rotations(gaits: list[Gait], elbow_axis: Tensor, arm_drop: float) -> dict[str, Tensor]:
    """Rotations about the rest axes of a walking body.

    Args:
        gaits (list[Gait]): B moments.
        elbow_axis (Tensor): (3,) unit axis of the left elbow at rest; turning about it brings the hand forward.
        arm_drop (float): Radians from the arm at rest to the arm beside the body.

    Returns:
        dict[str, Tensor]: (B, 3, 3) for ``hip knee ankle shoulder elbow`` with suffix ``.L`` or ``.R`` and ``spine``.
    """
    phase = torch.tensor([gait.phase for gait in gaits], dtype=torch.float32)
    stride = torch.tensor([gait.stride for gait in gaits], dtype=torch.float32)
    side_axis, front_axis, up_axis = torch.eye(3)
    rotations = {
        'spine': rotation_matrix(up_axis, 0.10 * stride * phase.cos())
        @ rotation_matrix(side_axis, 0.03 + 0.03 * stride)
    }
    for suffix, sign, shift in (('L', 1.0, 0.0), ('R', -1.0, math.pi)):
        angles = gait_angles(phase + shift, stride)
        # Turning about +x brings a hanging limb backward, so forward angles count negative.
        rotations[f'hip.{suffix}'] = rotation_matrix(side_axis, -angles['hip'])
        rotations[f'knee.{suffix}'] = rotation_matrix(side_axis, angles['knee'])
        rotations[f'ankle.{suffix}'] = rotation_matrix(side_axis, -angles['ankle'])
        drop = rotation_matrix(front_axis, torch.full_like(phase, sign * arm_drop))
        rotations[f'shoulder.{suffix}'] = rotation_matrix(side_axis, -angles['shoulder']) @ drop
        axis = elbow_axis * torch.tensor([1.0, sign, sign])  # mirrored about x = 0: an axis is a pseudo-vector
        rotations[f'elbow.{suffix}'] = rotation_matrix(axis, angles['elbow'])
    return rotations


def attach(
    body: BodyProvider, vertices: Tensor, carriers: tuple[str, ...], weights: Tensor | None = None
) -> Attachment:
    """Bind geometry cut on the average body at rest.

    Args:
        body (BodyProvider): The wearer.
        vertices (Tensor): (K, 3) in body heights.
        carriers (tuple[str, ...]): P names of ``body.carriers``.
        weights (Tensor, optional): (K, P); with one carrier it defaults to ones.
    """
    if weights is None:
        weights = vertices.new_ones(len(vertices), 1)
    near = torch.cdist(vertices, body.rest.vertices).topk(12, largest=False).indices
    return Attachment(vertices, carriers, weights, near)


def carry(body: BodyProvider, vertices: Tensor, attachments: Sequence[Attachment]) -> tuple[Tensor, Tensor]:
    """Fit attachments to other bodies at rest: each vertex moves as its neighbours do on average.

    Args:
        body (BodyProvider): The average body.
        vertices (Tensor): (B, V, 3) bodies at rest, metres.
        attachments (sequence of Attachment): K vertices in all.

    Returns:
        tuple[Tensor, Tensor]: (B, V + K, 3) vertices and (V + K, J) skinning weights.
    """
    rest, weights = [vertices], [body.weights]
    displacement = vertices - body.rest.vertices * body.height  # (B, V, 3)
    for attachment in attachments:
        rest.append(attachment.vertices * body.height + displacement[:, attachment.neighbours].mean(2))
        bones = body.weights.new_zeros(len(attachment.vertices), body.weights.shape[1])
        bones[:, [body.carriers[name] for name in attachment.carriers]] = attachment.weights
        weights.append(bones)
    return torch.cat(rest, 1), torch.cat(weights)
