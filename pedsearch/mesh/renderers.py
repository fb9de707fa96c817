"""Meshes on pictures: triangles in, the visible fragment of every pixel, or a shaded picture, out.

Shape legend: B meshes, V vertices, F triangles, N fragments (visible pixels of all meshes), H x W pixels.

Conventions: image x runs right and y down, the centre of pixel (row, col) is (col + 0.5, row + 0.5), depth is the
distance along the optical axis and grows away from the camera. Nothing here is differentiable.
"""

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from pedsearch.ops import zbuffer
from pedsearch.ops.rasterize import barycentric, nearest_faces, sum_of_three
from pedsearch.registry import TASK_UTILS

from .cameras import Camera


@dataclass
class Fragments:
    """The nearest surface point at every covered pixel of every mesh, sorted by mesh, row and column.

    Args:
        mesh (Tensor): (N,) int64, index of the mesh.
        row, col (Tensor): (N,) int64 pixel; outside the image when rasterised with ``clip=False``.
        face (Tensor): (N,) int64, index of the triangle.
        bary (Tensor): (N, 3) weights of its corners, perspective-correct, summing to 1.
        depth (Tensor): (N,) depth of the surface point.
    """

    mesh: Tensor
    row: Tensor
    col: Tensor
    face: Tensor
    bary: Tensor
    depth: Tensor

    def __len__(self) -> int:
        return len(self.mesh)

    def __getitem__(self, keep: Tensor) -> 'Fragments':
        return Fragments(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def interpolate(self, values: Tensor, faces: Tensor) -> Tensor:
        """Carry per-vertex values to the fragments.

        Args:
            values (Tensor): (V, C) per-vertex values.
            faces (Tensor): (F, 3) the triangles that were rasterised.

        Returns:
            Tensor: (N, C).
        """
        return (values[faces[self.face]] * self.bary[..., None]).sum(1)  # (N, 3, C) * (N, 3, 1) -> (N, C)


def rasterize(
    points: Tensor,
    faces: Tensor,
    image_size: tuple[int, int],
    face_mesh: Tensor | None = None,
    *,
    perspective: bool = True,
    clip: bool = True,
) -> Fragments:
    r"""Find the nearest triangle at every pixel of every mesh; each mesh has its own z-buffer.

    .. math:: z(p) = 1 / \sum_i \lambda_i(p) / z_i \quad (\text{perspective}), \qquad
              z(p) = \sum_i \lambda_i(p) z_i \quad (\text{orthographic})

    with :math:`\lambda_i` the barycentric weights of the pixel centre in the projected triangle. A centre exactly on
    an edge belongs to every triangle that shares it; the nearest wins, at equal depth the lowest face index.

    Args:
        points (Tensor): (V, 3) float, x and y in pixels, depth in any unit, > 0 in front of a perspective camera.
        faces (Tensor): (F, 3) int64 indices into ``points``; both windings are drawn.
        image_size (tuple[int, int]): (height, width).
        face_mesh (Tensor, optional): (F,) int64, the mesh of every face. Defaults to one mesh.
        perspective (bool): Whether depth is interpolated perspective-correctly. Defaults to True.
        clip (bool): Whether to keep only pixels of the image. With False, silhouettes go on up to one image size
            beyond each side, which tells what share of an object the frame cuts off. Defaults to True.

    Returns:
        Fragments: sorted by mesh, row, column.

    Raises:
        ValueError: If a shape is wrong.

    Source: own (standard edge-function rasterisation).
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f'points must have shape (V, 3), got {tuple(points.shape)}; pass x, y in pixels and depth')
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise ValueError(f'faces must have shape (F, 3), got {tuple(faces.shape)}; split polygons into triangles')
    if face_mesh is None:
        face_mesh = faces.new_zeros(len(faces))
    mesh, row, col, face = nearest_faces(points, faces, image_size, face_mesh, perspective=perspective, clip=clip)
    _, bary, depth = barycentric(points[faces[face]], col + 0.5, row + 0.5, perspective)
    return Fragments(mesh, row, col, face, bary, depth)


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Area-weighted unit normals.

    Args:
        vertices (Tensor): (B, V, 3).
        faces (Tensor): (F, 3), counter-clockwise seen from outside.

    Returns:
        Tensor: (B, V, 3), zero where a vertex belongs to no triangle of positive area.
    """
    a, b, c = vertices[:, faces].unbind(2)  # (B, F, 3) each
    across = torch.linalg.cross(b - a, c - a)
    normals = torch.zeros_like(vertices)
    for corner in faces.unbind(1):  # scatter_add_ takes a fifth of the time of index_add_ here
        normals.scatter_add_(1, corner[None, :, None].expand_as(across), across)
    return torch.nn.functional.normalize(normals, dim=-1)


@dataclass
class RenderOutput:
    """A batch of pictures.

    Args:
        image (Tensor): (B, 1 or 3, H, W) in [0, 1].
        mask (Tensor): (B, H, W) in [0, 1], covered share of every pixel.
        depth (Tensor): (B, H, W) depth of the nearest sample, ``inf`` where nothing is drawn.
        face_index (Tensor): (B, H, W) int64 triangle of that sample, -1 where nothing is drawn.
    """

    image: Tensor
    mask: Tensor
    depth: Tensor
    face_index: Tensor


@TASK_UTILS.register_module()
class SoftwareRenderer:
    r"""Draw a batch of meshes that share their triangles, each in its own picture, Lambert-shaded.

    .. math:: I = albedo \cdot (ambient + \sum_l s_l \max(0, n \cdot d_l))

    with smooth normals. The lights are fixed to the camera, so the shading tells where a body faces.

    Args:
        image_size (tuple[int, int]): (height, width).
        supersample (int): Samples per pixel side. Defaults to 2.
        ambient (float): Light from everywhere, >= 0. Defaults to 0.25.
        lights (sequence of (direction, strength)): Directions towards the light in camera axes (x right, y down,
            z forward). Defaults to one light from the upper left front.
        background (float): Grey level behind the bodies, in [0, 1]. Defaults to 1.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        supersample: int = 2,
        ambient: float = 0.25,
        lights: tuple[tuple[tuple[float, float, float], float], ...] = (((-0.5, -0.6, -0.7), 0.75),),
        background: float = 1.0,
    ) -> None:
        if supersample < 1:
            raise ValueError(f'supersample must be >= 1, got {supersample}; 1 switches anti-aliasing off')
        self.image_size = tuple(image_size)
        self.supersample = supersample
        self.ambient = ambient
        self.lights = lights
        self.background = background

    def __call__(self, vertices: Tensor, faces: Tensor, camera: Camera, colors: Tensor | None = None) -> RenderOutput:
        """Render.

        Args:
            vertices (Tensor): (B, V, 3) in world coordinates.
            faces (Tensor): (F, 3) int64, counter-clockwise seen from outside.
            camera (Camera): For an image of ``image_size``.
            colors (Tensor, optional): (V, 3) or (B, V, 3) albedo in [0, 1]. Defaults to grey 0.75, one channel.

        Returns:
            RenderOutput: B pictures.

        Raises:
            ValueError: If a shape is wrong.
        """
        if vertices.ndim != 3 or vertices.shape[2] != 3:
            raise ValueError(f'vertices must have shape (B, V, 3), got {tuple(vertices.shape)}; add a batch axis')
        normals = camera.rotate(vertex_normals(vertices, faces))
        return self.draw(camera.project(vertices), normals, faces, colors, camera.perspective)

    @torch.no_grad()
    def draw(
        self, points: Tensor, normals: Tensor, faces: Tensor, colors: Tensor | None = None, perspective: bool = True
    ) -> RenderOutput:
        """Render what is projected already, each mesh by a camera of its own, in float32 and without gradients.

        Args:
            points (Tensor): (B, V, 3) x, y in pixels of ``image_size``, and depth.
            normals (Tensor): (B, V, 3) unit normals in camera axes.
            faces (Tensor): (F, 3) int64, counter-clockwise seen from outside.
            colors (Tensor, optional): (V, 3) or (B, V, 3) albedo in [0, 1]. Defaults to grey 0.75, one channel.
            perspective (bool): Whether depth is interpolated perspective-correctly. Defaults to True.

        Returns:
            RenderOutput: B pictures.

        Raises:
            ValueError: If a shape is wrong.
        """
        if points.ndim != 3 or points.shape[2] != 3 or normals.shape != points.shape:
            raise ValueError(
                f'points and normals must both have shape (B, V, 3), got {tuple(points.shape)} and '
                f'{tuple(normals.shape)}; add a batch axis'
            )
        batch, num_vertices = points.shape[:2]
        height, width = (side * self.supersample for side in self.image_size)
        points = torch.cat((points[..., :2] * self.supersample, points[..., 2:]), -1).float()
        face_index = self._visible_faces(points, faces, (height, width), perspective)  # (B, sH, sW)
        covered = face_index >= 0
        pixel = covered.view(-1).nonzero()[:, 0]  # (N,) of all pictures; only these are shaded
        face, mesh = face_index.view(-1)[pixel], torch.div(pixel, height * width, rounding_mode='floor')
        row, col = torch.div(pixel, width, rounding_mode='floor') % height, pixel % width
        vertex = faces[face] + (mesh * num_vertices)[:, None]  # (N, 3) of all meshes
        _, bary, sample_depth = barycentric(points.view(-1, 3)[vertex], col + 0.5, row + 0.5, perspective)

        def carry(values: Tensor) -> Tensor:
            """(B, V, C) -> (N, C)."""
            return sum_of_three(values.float().reshape(-1, values.shape[-1])[vertex] * bary[..., None])

        normal = torch.nn.functional.normalize(carry(normals), dim=-1)
        shade = torch.full_like(sample_depth, self.ambient)
        for direction, strength in self.lights:
            towards = torch.nn.functional.normalize(normal.new_tensor(direction), dim=0)
            shade = shade + strength * (normal @ towards).clamp(min=0)
        grey = torch.full_like(shade[:, None], 0.75)
        albedo = grey if colors is None else carry(colors.expand(batch, -1, -1))
        channels = albedo.shape[1]
        image = points.new_full((batch, height, width, channels), self.background)
        image.view(-1, channels)[pixel] = (albedo * shade[:, None]).clamp(0, 1)
        depth = points.new_full((batch, height, width), torch.inf)
        depth.view(-1)[pixel] = sample_depth
        return self._downsample(image.permute(0, 3, 1, 2), covered.to(points.dtype), depth, face_index)

    def _visible_faces(
        self, points: Tensor, faces: Tensor, image_size: tuple[int, int], perspective: bool
    ) -> Tensor:
        """The triangle (B, H, W) at every pixel of a picture of ``image_size``, -1 where there is none."""
        return zbuffer(points, faces, image_size, perspective=perspective)[0]

    def _downsample(self, image: Tensor, mask: Tensor, depth: Tensor, face_index: Tensor) -> RenderOutput:
        side = self.supersample
        if side == 1:
            return RenderOutput(image, mask, depth, face_index)
        image = torch.nn.functional.avg_pool2d(image, side)
        mask = torch.nn.functional.avg_pool2d(mask[:, None], side)[:, 0]
        nearest, face = depth[:, ::side, ::side], face_index[:, ::side, ::side]
        for row, col in itertools.product(range(side), repeat=2):  # of the samples of every pixel
            other = depth[:, row::side, col::side]
            face = torch.where(other < nearest, face_index[:, row::side, col::side], face)
            nearest = torch.minimum(nearest, other)
        return RenderOutput(image, mask, nearest, face)
