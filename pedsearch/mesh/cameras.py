"""Cameras that carry world points to pixels.

Axes: the world is right-handed with z up and the ground at z = 0, in metres; the camera looks along its z axis with x
to the right and y down. Angles are radians. Pixel coordinates are continuous: an image spans [0, width] x [0, height].
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Camera:
    """A camera given by its pose; the subclasses add the projection.

    Args:
        rotation (Tensor): (3, 3), rows are the camera's axes in world coordinates.
        position (Tensor): (3,) centre in world coordinates.
        principal (tuple[float, float]): Pixel (x, y) on the optical axis.
    """

    rotation: Tensor
    position: Tensor
    principal: tuple[float, float]

    perspective: ClassVar[bool]

    def rotate(self, directions: Tensor) -> Tensor:
        """Directions (..., 3) from world to camera axes."""
        return directions @ self.rotation.T.to(directions)

    def to_camera(self, points: Tensor) -> Tensor:
        """Points (..., 3) from world to camera coordinates."""
        return self.rotate(points - self.position.to(points))

    def project(self, points: Tensor) -> Tensor:
        """World points (..., 3) to (..., 3): x, y in pixels and depth in metres."""
        raise NotImplementedError


@dataclass(frozen=True)
class PinholeCamera(Camera):
    """Perspective camera; ``focal`` is the focal length in pixels."""

    focal: float

    perspective: ClassVar[bool] = True

    def project(self, points: Tensor) -> Tensor:
        local = self.to_camera(points)
        depth = local[..., 2:]
        # Points behind the camera have no image; the rasteriser drops them by their depth.
        xy = local[..., :2] * self.focal / torch.where(depth > 0, depth, torch.inf) + local.new_tensor(self.principal)
        return torch.cat((xy, depth), -1)

    def rays(self, height: int, width: int) -> Tensor:
        """World directions (height, width, 3) through the pixel centres, scaled to depth 1."""
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing='ij')
        local = torch.stack(
            ((x - self.principal[0]) / self.focal, (y - self.principal[1]) / self.focal, torch.ones_like(x)), -1
        )
        return local @ self.rotation.to(local)

    def resized(self, factor: float) -> 'PinholeCamera':
        """The same view on an image ``factor`` times as large."""
        principal = (self.principal[0] * factor, self.principal[1] * factor)
        return PinholeCamera(self.rotation, self.position, principal, self.focal * factor)


@dataclass(frozen=True)
class OrthographicCamera(Camera):
    """Parallel projection; ``scale`` is pixels per metre (weak perspective: focal length over mean depth)."""

    scale: float

    perspective: ClassVar[bool] = False

    def project(self, points: Tensor) -> Tensor:
        local = self.to_camera(points)
        xy = local[..., :2] * self.scale + local.new_tensor(self.principal)
        return torch.cat((xy, local[..., 2:]), -1)


def look_rotation(yaw: float, pitch: float) -> Tensor:
    """Axes of a camera without roll.

    Args:
        yaw (float): Radians; 0 looks along world +y, positive turns left (towards -x).
        pitch (float): Radians; positive looks down.

    Returns:
        Tensor: (3, 3), rows right, down, forward.
    """
    forward = (-math.sin(yaw) * math.cos(pitch), math.cos(yaw) * math.cos(pitch), -math.sin(pitch))
    right = (math.cos(yaw), math.sin(yaw), 0.0)
    down = (
        forward[1] * right[2] - forward[2] * right[1],
        forward[2] * right[0] - forward[0] * right[2],
        forward[0] * right[1] - forward[1] * right[0],
    )
    return torch.tensor([right, down, forward])
