"""People before the cameras that photographed them.

Shape legend: B people, V vertices, F triangles. Camera axes: x right, y down, z forward, metres. Pixels are continuous,
a photo spans [0, width] x [0, height]. Sizes are (height, width).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

HMR_FOCAL = 500.0
"""Focal length, in pixels of its crop, of the camera that HMR-style estimators stand for."""

HMR_CROP = 224
"""Side of the square crop that they see."""


def turn(points: Tensor, angles: Tensor, axis: Tensor, centre: Tensor) -> Tensor:
    r"""Rotate points about an axis through a centre.

    .. math:: p' = c + d \cos\theta + (u \times d) \sin\theta + u (u \cdot d)(1 - \cos\theta), \quad d = p - c

    For :math:`u = (0, -1, 0)`: :math:`x' = x \cos\theta - z \sin\theta`, :math:`z' = x \sin\theta + z \cos\theta`.

    Args:
        points (Tensor): (B, V, 3).
        angles (Tensor): (B,) radians.
        axis (Tensor): (B, 3) unit vectors.
        centre (Tensor): (B, 3).

    Returns:
        Tensor: (B, V, 3).

    Source: GCL (Chen et al., CVPR 2021), rotation of the body about the vertical through the mean of its vertices.
    """
    sin, cos = angles.sin()[:, None, None], angles.cos()[:, None, None]
    axis = axis[:, None]
    away = points - centre[:, None]
    along = axis * (axis * away).sum(-1, keepdim=True)
    across = torch.linalg.cross(axis.expand_as(away), away)
    return centre[:, None] + along + (away - along) * cos + across * sin


@dataclass(frozen=True)
class PersonMeshes:
    """Bodies as their photos saw them.

    Args:
        vertices (Tensor): (B, V, 3) metres in camera axes, translation included.
        faces (Tensor): (F, 3) int64, counter-clockwise seen from outside.
        focal (Tensor): (B,) pixels of the photo.
        principal (Tensor): (B, 2) x, y in pixels of the photo.
        photo_size (Tensor): (B, 2) height, width in pixels.
        up (Tensor, optional): (B, 3) unit vertical in camera axes. Defaults to (0, -1, 0).
        valid (Tensor, optional): (B,) bool, whether the fit is trusted. Defaults to True.

    Raises:
        ValueError: If a shape is wrong.
    """

    vertices: Tensor
    faces: Tensor
    focal: Tensor
    principal: Tensor
    photo_size: Tensor
    up: Tensor | None = None
    valid: Tensor | None = None

    def __post_init__(self) -> None:
        if self.vertices.ndim != 3 or self.vertices.shape[2] != 3:
            raise ValueError(f'vertices must have shape (B, V, 3), got {tuple(self.vertices.shape)}; add a batch axis')
        batch = len(self.vertices)
        if self.up is None:
            object.__setattr__(self, 'up', self.vertices.new_tensor([0.0, -1.0, 0.0]).expand(batch, 3))
        if self.valid is None:
            object.__setattr__(self, 'valid', torch.ones(batch, dtype=torch.bool, device=self.vertices.device))
        shapes = dict(focal=(batch,), principal=(batch, 2), photo_size=(batch, 2), up=(batch, 3), valid=(batch,))
        for name, shape in shapes.items():
            if tuple(getattr(self, name).shape) != shape:
                raise ValueError(
                    f'{name} must have shape {shape} for {batch} people, got {tuple(getattr(self, name).shape)}; '
                    'give one row per person'
                )

    def __len__(self) -> int:
        return len(self.vertices)

    def __getitem__(self, index: Tensor | slice | Sequence[int]) -> 'PersonMeshes':
        """Some of the people."""
        names = ('vertices', 'focal', 'principal', 'photo_size', 'up', 'valid')
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def turned(self, angles: Tensor) -> 'PersonMeshes':
        """Everyone turned by ``angles`` (B,) radians about ``up`` through the mean of all vertices."""
        if angles.shape != (len(self),):
            raise ValueError(f'angles must have shape ({len(self)},), got {tuple(angles.shape)}; give one per person')
        vertices = turn(self.vertices, angles, self.up, self.vertices.mean(1))
        return replace(self, vertices=vertices)

    def project(self, image_size: tuple[int, int]) -> Tensor:
        """Perspective projection into a picture that shows the whole photo.

        Args:
            image_size (tuple[int, int]): (height, width) of the picture.

        Returns:
            Tensor: (B, V, 3), x and y in pixels of the picture, depth in metres; points behind the camera have the
            principal point for an image, a renderer drops them by their depth.
        """
        depth = self.vertices[..., 2:]
        slope = self.vertices[..., :2] / torch.where(depth > 0, depth, torch.inf)
        pixels = slope * self.focal[:, None, None] + self.principal[:, None]  # (B, V, 2) in the photo
        scale = self.vertices.new_tensor(image_size)[None] / self.photo_size.to(self.vertices)  # (B, 2) height, width
        return torch.cat((pixels * scale.flip(1)[:, None], depth), -1)


MeshProvider = Callable[[Sequence[str]], PersonMeshes]
"""Names of photos, relative to the root of their dataset and with ``/``, to the people on them."""


def perspective_from_weak(
    camera: Tensor,
    photo_size: Tensor,
    scale: Tensor | None = None,
    centre: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Turn the weak-perspective camera of an HMR-style estimate into a perspective camera of the photo.

    .. math:: t = (t_x, t_y, \frac{f}{0.5 \cdot 224 \cdot s}), \qquad f' = f / scale, \qquad f = 500

    Args:
        camera (Tensor): (B, 3) s, t_x, t_y; the estimator projects to :math:`s (X_{xy} + t)` in [-1, 1].
        photo_size (Tensor): (B, 2) height, width in pixels.
        scale (Tensor, optional): (B,) by what the photo was resized before the crop. Defaults to 224 / longer side.
        centre (Tensor, optional): (B, 2) x, y of the crop's centre in pixels of the photo. Defaults to its centre.

    Returns:
        tuple[Tensor, Tensor, Tensor]: translation (B, 3) in metres, focal (B,) and principal (B, 2) in pixels of the
        photo.

    Raises:
        ValueError: If a scale of a camera is not positive.

    Source: HMR (Kanazawa et al., CVPR 2018), camera of the renderer of the public demonstration.
    """
    if camera.ndim != 2 or camera.shape[1] != 3:
        raise ValueError(f'camera must have shape (B, 3), got {tuple(camera.shape)}; pass s, t_x, t_y of each person')
    if not bool((camera[:, 0] > 0).all()):
        raise ValueError(
            f'camera scales must be > 0, got a lowest of {float(camera[:, 0].min())}; drop the people whose estimate '
            'failed'
        )
    size = photo_size.to(camera)
    if scale is None:
        scale = HMR_CROP / size.amax(1)
    if centre is None:
        centre = size.flip(1) / 2
    depth = HMR_FOCAL / (0.5 * HMR_CROP * camera[:, 0])
    return torch.cat((camera[:, 1:], depth[:, None]), 1), HMR_FOCAL / scale, centre
