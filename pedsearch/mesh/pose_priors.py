"""What is known about pedestrians before a photo is looked at: how they stand, and how well their keypoints are placed.

Shape legend: N people, K keypoints, J = 10 joints.
"""

import torch
from torch import Tensor

from .body_pose import JOINTS

_SPREAD = dict(
    spine=(0.12, 0.08, 0.15), neck=(0.15, 0.12, 0.3), hip=(0.3, 0.12, 0.15), knee=(0.45, 0.06, 0.06),
    shoulder=(0.35, 0.2, 0.25), elbow=(0.5, 0.1, 0.1),
)  # fmt: skip
"""Standard deviation in radians of rotation vectors about the axes of a joint: bending, sideways, twist."""

BALANCED = ('left_ankle', 'right_ankle', 'throat')

BALANCE_SPREAD = (0.10, 0.08)
"""Standard deviation in metres of the middle of the feet and of the throat from the vertical through the hips."""

_NOISE = dict(thigh=1.5, hip=1.5, upper_arm=1.2, knee=1.2, crown=0.8, eye=0.6, ear=0.6)
"""Noise of keypoints, relative to that of the others; of clothed hips, nobody sees where they are."""

BORDER, BORDER_TRUST = 0.025, 0.25
"""Upper and lower border of a photo as a share of its height, and the weight of a keypoint there."""

_BACKWARD = 0.05
"""Standard deviation in radians of a knee or an elbow beyond straight."""


def pose_prior(joints: Tensor, elbow_axis: Tensor) -> Tensor:
    r"""How unlike a pedestrian a pose is.

    .. math:: E = \tfrac12 \sum_j \sum_a (w_{ja} / \sigma_{ja})^2 + \tfrac12 \sum_h (\min(0, b_h + 0.05) / 0.05)^2

    with rotation vectors :math:`w` on top of standing and the bend :math:`b` of knees and elbows, which do not bend
    backwards.

    Args:
        joints (Tensor): (N, 10, 3) rotation vectors of :data:`~pedsearch.mesh.body_pose.JOINTS`, radians.
        elbow_axis (Tensor): (3,) unit axis of the left elbow; turning about it brings the hand forward.

    Returns:
        Tensor: (N,), negative log likelihood up to a constant.

    Source: own, spreads set by looking at fits of pedestrians.
    """
    frames = _hinge_frames(elbow_axis.to(joints))
    local = (joints[:, :, None] * frames).sum(-1)  # (N, J, 3) along bending, sideways and twist
    spread = joints.new_tensor([_SPREAD[name.partition('.')[0]] for name in JOINTS])
    hinges = [index for index, name in enumerate(JOINTS) if name.startswith(('knee', 'elbow'))]
    backward = (local[:, hinges, 0] + _BACKWARD).clamp(max=0) / _BACKWARD
    return 0.5 * (local / spread).square().sum((1, 2)) + 0.5 * backward.square().sum(1)


def balance_prior(points: Tensor, up: Tensor) -> Tensor:
    """How far the middle of the feet, and the throat, are from the vertical through the hips.

    What a picture hides is how far limbs reach towards the camera or away from it; without this, feet and head both
    go there to look shorter.

    Args:
        points (Tensor): (N, 3, 3) metres from the hips, of :data:`BALANCED`.
        up (Tensor): (N, 3) unit vertical.

    Returns:
        Tensor: (N,), negative log likelihood up to a constant.
    """
    places = torch.stack((points[:, :2].mean(1), points[:, 2]), 1)  # (N, 2, 3) feet, throat
    aside = places - (places * up[:, None]).sum(-1, keepdim=True) * up[:, None]
    return 0.5 * (aside.square().sum(-1) / aside.new_tensor(BALANCE_SPREAD).square()).sum(1)


def _hinge_frames(elbow_axis: Tensor) -> Tensor:
    """Rows (J, 3, 3): axes of each joint, first the one it bends about."""
    frames = torch.eye(3).to(elbow_axis).repeat(len(JOINTS), 1, 1)
    for index, name in enumerate(JOINTS):
        if name.startswith('elbow'):
            sign = 1.0 if name.endswith('L') else -1.0
            axis = elbow_axis * elbow_axis.new_tensor([1.0, sign, sign])  # mirrored: an axis is a pseudo-vector
            frames[index] = torch.linalg.qr(torch.stack((axis, *frames[index][1:]), 1)).Q.T
            frames[index, 0] = axis
    return frames


def trust(points: Tensor, names: tuple[str, ...], photo_size: Tensor) -> Tensor:
    """Weights (N, K) of keypoints: less for what is hard to mark and for what lies at the border of a photo.

    A person who is cut off there has keypoints that were pushed into the photo.

    Args:
        points (Tensor): (N, K, 3) x, y, confidence.
        names (tuple[str, ...]): Of the K points.
        photo_size (Tensor): (N, 2) height, width.
    """
    noise = points.new_tensor([_NOISE.get(name.split('_', 1)[-1], 1.0) for name in names])
    edge = torch.minimum(points[..., 1], photo_size[:, :1] - points[..., 1]) < BORDER * photo_size[:, :1]
    return torch.where(edge, BORDER_TRUST, 1.0) / noise.square()
