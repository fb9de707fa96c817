"""A few dozen numbers that pose and shape a body of anny before a camera, differentiable.

With all angles zero, a body stands upright, arms down, and faces the camera.

Shape legend: B bodies, J = 10 joints, K keypoints, V vertices, G corners of the grid of shapes. Body axes: z up, the
body faces -y, its left is +x. Camera axes: x right, y down, z forward.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .anny_body import AnnyBody
from .bodies import BodyShape, Gait, gait_rotations, skin

JOINTS = (
    'spine', 'hip.L', 'hip.R', 'neck', 'shoulder.L', 'shoulder.R', 'knee.L', 'knee.R', 'elbow.L', 'elbow.R',
)  # fmt: skip
"""Parents before children."""

PHENOTYPE = ('gender', 'muscle', 'weight', 'height', 'proportions')
"""Numbers of a shape; the age is an adult's, ``BodyShape.age``."""

AVERAGE = (0.5, 0.5, 0.5, 0.43, 0.5)
"""Of an adult 1.75 m tall."""

_PARENTS = (None, None, None, 0, 0, 0, 1, 2, 4, 5)
"""Of each joint, None is the root."""

_BONES = dict(
    spine='spine04', neck='neck01', hip='upperleg01', knee='lowerleg01', shoulder='upperarm01', elbow='lowerarm01'
)

_CARRIERS = dict(
    throat='spine', shoulder='spine', upper_arm='shoulder', elbow='shoulder', wrist='elbow', hip=None, thigh='hip',
    knee='hip', ankle='knee',
)  # fmt: skip
"""Keypoint -> the joint whose turning carries it; None is the root, everything else is of the head."""

LEG_CLOSING = 0.08
"""Radians by which each leg is turned inwards from anny's rest to standing."""

_BETWEEN = dict(
    crown=('head_top', 'throat', 0.03), upper_arm=('shoulder', 'elbow', 0.03), thigh=('hip', 'knee', 0.11)
)
"""Where the layout of Market-1501 has its points, as shares of the way from one joint to another, measured on its
photos; its throat lies ``THROAT`` of the way from the neck's joint to the middle of the shoulders."""

THROAT = 0.2

BODY_TO_CAMERA = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Of an upright body that faces the camera."""


@dataclass(frozen=True)
class BodyParameters:
    """Pose, shape and place of B bodies.

    Args:
        joints (Tensor): (B, 10, 3) rotation vectors in radians of :data:`JOINTS`, on top of standing.
        root (Tensor): (B, 3) radians: yaw, to the body's left positive; pitch, head towards the camera positive, as in
            a picture of a camera that looks down; roll, to the right in the picture positive.
        shape (Tensor): (B, 5) in [0, 1], of :data:`PHENOTYPE`.
        translation (Tensor): (B, 3) metres, the root of the body in camera axes.
    """

    joints: Tensor
    root: Tensor
    shape: Tensor
    translation: Tensor

    def __len__(self) -> int:
        return len(self.joints)

    @classmethod
    def standing(cls, translation: Tensor) -> 'BodyParameters':
        """Average adults who stand at ``translation`` (B, 3) and face the camera."""
        batch = len(translation)
        return cls(
            translation.new_zeros(batch, len(JOINTS), 3), translation.new_zeros(batch, 3),
            translation.new_tensor(AVERAGE).expand(batch, len(PHENOTYPE)), translation,
        )  # fmt: skip

    @classmethod
    def from_rows(cls, rows: Tensor) -> 'BodyParameters':
        """The reverse of :meth:`rows`."""
        joints, root, shape, translation = rows.split((3 * len(JOINTS), 3, len(PHENOTYPE), 3), dim=1)
        return cls(joints.unflatten(1, (len(JOINTS), 3)), root, shape, translation)

    def rows(self) -> Tensor:
        """All numbers of each body, (B, 41)."""
        return torch.cat((self.joints.flatten(1), self.root, self.shape, self.translation), 1)


def rotation_from_vector(vector: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of rotation vectors (..., 3) in radians, with a gradient at zero (Rodrigues)."""
    angle = (vector.square().sum(-1) + 1e-12).sqrt()[..., None, None]
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), -1).unflatten(-1, (3, 3))
    first, second = torch.sinc(angle / torch.pi), 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    return torch.eye(3, dtype=vector.dtype, device=vector.device) + first * cross + second * (cross @ cross)


def tilt_rotation(root: Tensor) -> Tensor:
    """Rotation (B, 3, 3) in camera axes of pitch and roll of ``root`` (B, 3)."""
    pitch, roll = root[:, 1], root[:, 2]
    return rotation_from_vector(torch.stack((pitch, torch.zeros_like(pitch), roll), -1))


def root_rotation(root: Tensor) -> Tensor:
    """Rotation (B, 3, 3) from body to camera axes for yaw, pitch, roll (B, 3)."""
    yaw = torch.zeros_like(root)
    yaw = torch.stack((yaw[:, 0], yaw[:, 1], root[:, 0]), -1)
    return tilt_rotation(root) @ BODY_TO_CAMERA.to(root) @ rotation_from_vector(yaw)


def body_up(root: Tensor) -> Tensor:
    """Vertical of the body (B, 3) in camera axes, a unit vector."""
    return -tilt_rotation(root)[:, :, 1]


class PosedAnny:
    """Poses :class:`AnnyBody` by :class:`BodyParameters`.

    Keypoints come without skinning: each rides on one bone, and where joints and keypoints of an unposed body lie is
    interpolated between the corners of the grid of shapes, which is what anny does with its blend shapes.

    Args:
        body (AnnyBody, optional): Defaults to a new one.
    """

    def __init__(self, body: AnnyBody | None = None) -> None:
        self.body = AnnyBody() if body is None else body
        self.faces = self.body.faces
        self.elbow_axis = self.body._elbow_axis
        still = gait_rotations([Gait(math.pi / 2, 0.0)], self.body._elbow_axis, self.body._arm_drop)
        for side, sign in ('L', 1.0), ('R', -1.0):  # anny stands with its legs apart
            closed = rotation_from_vector(torch.tensor([0.0, sign * LEG_CLOSING, 0.0]))
            still[f'hip.{side}'] = closed @ still[f'hip.{side}']
        self._still = torch.cat([still.get(name, torch.eye(3)[None]) for name in JOINTS])  # (J, 3, 3)
        self._bones = [self._bone(name) for name in JOINTS]
        self._anchors = [self.body.model.anchors[name] for name in PHENOTYPE]

    def _bone(self, joint: str) -> int:
        name, _, side = joint.partition('.')
        return self.body.bone_index[_BONES[name] + ('.' + side if side else '')]

    @cached_property
    def _grid(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Joints (G, J, 3) and keypoints (G, 3) each of unposed bodies at every corner, from the root."""
        from anny.keypoints import KeypointsRegressor

        coco = KeypointsRegressor.coco(self.body.model)
        used = coco.regression_weights.ne(0).any(0)
        used[self.body.rest.vertices[:, 2].argmax()] = True
        used = used.nonzero()[:, 0]
        corners = torch.cartesian_prod(*self._anchors)  # (G, 5)
        joints, skinned = [], []
        for shapes in corners.split(32):
            rest, _, bone_poses = self.body._rest_model(_adults(shapes))
            with torch.no_grad():
                still = torch.eye(4).expand(len(shapes), len(self.body.bone_index), 4, 4)
                transforms, poses = self.body.model.get_bone_transforms(still, bone_poses)
            root = poses[:, :1, :3, 3]
            joints.append(poses[:, self._bones, :3, 3] - root)
            skinned.append(skin(rest[:, used], self.body.weights[used], transforms) - root)
        pivots, surface = torch.cat(joints), torch.cat(skinned)  # (G, J, 3), (G, U, 3)
        points = torch.einsum('ku,gud->kgd', coco.regression_weights[:, used], surface)
        known = dict(zip(coco.labels, points))
        known['head_top'] = surface[:, self.body.rest.vertices[used, 2].argmax()]
        shoulders = (known['left_shoulder'] + known['right_shoulder']) / 2
        known['throat'] = torch.lerp(pivots[:, JOINTS.index('neck')], shoulders, THROAT)
        for name, (start, end, share) in _BETWEEN.items():
            for side in ('',) if start in known else ('left_', 'right_'):
                known[side + name] = torch.lerp(known[side + start], known[side + end], share)
        return pivots, known

    def _corner_weights(self, shape: Tensor) -> Tensor:
        """Multilinear weights (B, G) of the corners of the grid for shapes (B, 5)."""
        weights = shape.new_ones(len(shape), 1)
        for value, anchors in zip(shape.unbind(1), self._anchors):
            step = anchors[1] - anchors[0]  # anchors are evenly spaced
            hat = (1 - (value[:, None] - anchors).abs() / step).clamp(min=0)
            weights = (weights[:, :, None] * hat[:, None]).flatten(1)
        return weights

    def keypoints(self, parameters: BodyParameters, names: Sequence[str]) -> Tensor:
        """Keypoints in camera axes.

        Args:
            parameters (BodyParameters): B bodies.
            names (sequence of str): K names, those of :data:`~pedsearch.mesh.keypoints.LAYOUTS`.

        Returns:
            Tensor: (B, K, 3) metres, differentiable.
        """
        pivots, known = self._grid
        unposed = torch.cat((pivots, torch.stack([known[name] for name in names], 1)), 1)  # (G, J + K, 3)
        unposed = (self._corner_weights(parameters.shape) @ unposed.flatten(1)).unflatten(1, (-1, 3))
        turns = rotation_from_vector(parameters.joints) @ self._still  # (B, J, 3, 3)
        frames = {None: (root_rotation(parameters.root), parameters.translation, torch.zeros_like(unposed[:, 0]))}
        for index, parent in enumerate(_PARENTS):
            rotation, place, origin = frames[parent]
            pivot = unposed[:, index]
            posed = place + (rotation @ (pivot - origin)[..., None])[..., 0]
            frames[index] = rotation @ turns[:, index], posed, pivot
        carriers = [frames[_carrier(name)] for name in names]
        rotation, place, origin = (torch.stack(parts, 1) for parts in zip(*carriers))  # (B, K, ...)
        return place + (rotation @ (unposed[:, len(JOINTS) :] - origin)[..., None])[..., 0]

    @torch.no_grad()
    def vertices(self, parameters: BodyParameters) -> Tensor:
        """Whole bodies in camera axes, (B, V, 3) metres."""
        rest, _, bone_poses = self.body._rest_model(_adults(parameters.shape))
        delta = torch.eye(4).repeat(len(parameters), len(self.body.bone_index), 1, 1)
        delta[:, self._bones, :3, :3] = rotation_from_vector(parameters.joints) @ self._still
        transforms, poses = self.body.model.get_bone_transforms(delta, bone_poses)
        body = skin(rest, self.body.weights, transforms) - poses[:, :1, :3, 3]
        return body @ root_rotation(parameters.root).transpose(1, 2) + parameters.translation[:, None]


def _adults(shape: Tensor) -> list[BodyShape]:
    return [BodyShape(**dict(zip(PHENOTYPE, row))) for row in shape.tolist()]


def _carrier(keypoint: str) -> int | None:
    """The joint whose turning carries a keypoint; None is the root."""
    side, _, part = keypoint.partition('_')
    part = part or keypoint
    joint = _CARRIERS.get(part, 'neck')
    if joint in ('hip', 'knee', 'shoulder', 'elbow'):
        joint += '.' + side[0].upper()
    return None if joint is None else JOINTS.index(joint)
