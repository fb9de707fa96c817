"""A software z-buffer in plain PyTorch: triangles in, the visible fragment of every pixel out.

Every triangle proposes the pixels of its bounding box, all triangles at once in one flat list; the candidates whose
centre lies inside survive, and ``scatter_reduce('amin')`` on the depth keeps the nearest one of every pixel. There is
no loop over pixels and none over triangles, only one over chunks that bounds memory.

Shape legend: B meshes, V vertices, F triangles, N fragments (visible pixels of all meshes), H x W pixels.

Conventions: image x runs right and y down, the centre of pixel (row, col) is (col + 0.5, row + 0.5), depth is the
distance along the optical axis and grows away from the camera. Nothing here is differentiable.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pedsearch.registry import TASK_UTILS

from .cameras import Camera

NEAR = 1e-3
"""Triangles with a corner nearer than this (metres) are dropped, not clipped."""

_CHUNK = 4_000_000


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


def _edge(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Twice the signed area of (a, b, (x, y))."""
    return (b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])


def _barycentric(corners: Tensor, x: Tensor, y: Tensor, perspective: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the corners (K, 3, 3) at the points (x, y): screen weights, surface weights, depth."""
    a, b, c = corners.unbind(1)
    screen = torch.stack((_edge(b, c, x, y), _edge(c, a, x, y), _edge(a, b, x, y)), 1)  # (K, 3)
    screen = screen / screen.sum(1, keepdim=True)
    if not perspective:
        return screen, screen, (screen * corners[..., 2]).sum(1)
    inverse = screen / corners[..., 2]  # 1 / depth is what is linear on the screen
    depth = 1 / inverse.sum(1)
    return screen, inverse * depth[:, None], depth


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
    height, width = image_size
    margin_y, margin_x = (0, 0) if clip else (height, width)

    corners = points[faces]  # (F, 3, 3)
    low, high = corners[..., :2].amin(1), corners[..., :2].amax(1)  # (F, 2)
    limit = low.new_tensor([width + margin_x, height + margin_y])
    # A pixel is a candidate when its centre, not its area, lies in the box.
    first = torch.ceil(low - 0.5).clamp(min=low.new_tensor([-margin_x, -margin_y])).minimum(limit)
    last = torch.floor(high - 0.5).minimum(limit - 1).maximum(first - 1)
    extent = (last - first + 1).long()  # (F, 2) candidate columns and rows
    first = first.long()
    a, b, c = corners.unbind(1)
    area = _edge(a, b, c[:, 0], c[:, 1])
    valid = (area != 0) & torch.isfinite(area)
    if perspective:
        valid &= corners[..., 2].amin(1) > NEAR
    count = torch.where(valid, extent.prod(1), 0)
    used = count.nonzero()[:, 0]
    if len(used) == 0:
        none = faces.new_zeros(0)
        return Fragments(none, none, none, none, points.new_zeros(0, 3), points.new_zeros(0))

    # One window per mesh, as tight as its candidates, all windows in one flat z-buffer.
    num_meshes = int(face_mesh.max()) + 1
    mesh_of = face_mesh[used, None].expand(-1, 2)
    big = torch.iinfo(torch.int64).max
    start = first.new_full((num_meshes, 2), big).scatter_reduce(0, mesh_of, first[used], 'amin')
    stop = first.new_full((num_meshes, 2), -big).scatter_reduce(0, mesh_of, (first + extent)[used], 'amax')
    size = (stop - start).clamp(min=0)
    size[stop[:, 0] == -big] = 0
    offset = torch.cumsum(size.prod(1), 0) - size.prod(1)
    # Key = depth bits above the face index: non-negative floats order like their bits, so one amin decides both.
    keys = torch.full((int(size.prod(1).sum()),), big, dtype=torch.int64, device=points.device)
    shift = corners[used, :, 2].amin().clamp(max=0)  # an orthographic depth may be negative

    steps = torch.cumsum(count[used], 0)
    chunk_of = torch.div(steps - 1, _CHUNK, rounding_mode='floor')
    for chunk in torch.unique_consecutive(chunk_of):
        face = used[chunk_of == chunk]
        cand = torch.repeat_interleave(face, count[face])  # (K,) face of every candidate
        begin = torch.cumsum(count[face], 0) - count[face]
        within = torch.arange(len(cand), device=cand.device) - torch.repeat_interleave(begin, count[face])
        col = first[cand, 0] + within % extent[cand, 0]
        row = first[cand, 1] + torch.div(within, extent[cand, 0], rounding_mode='floor')
        screen, _, depth = _barycentric(corners[cand], col + 0.5, row + 0.5, perspective)
        inside = (screen >= 0).all(1).nonzero()[:, 0]
        cand, col, row, depth = cand[inside], col[inside], row[inside], depth[inside]
        mesh = face_mesh[cand]
        index = offset[mesh] + (row - start[mesh, 1]) * size[mesh, 0] + col - start[mesh, 0]
        key = ((depth - shift).clamp(min=0).float().view(torch.int32).long() << 32) | cand
        keys.scatter_reduce_(0, index, key, 'amin')

    index = (keys != big).nonzero()[:, 0]
    face = keys[index] & 0xFFFFFFFF
    mesh = face_mesh[face]
    within = index - offset[mesh]
    row = start[mesh, 1] + torch.div(within, size[mesh, 0], rounding_mode='floor')
    col = start[mesh, 0] + within % size[mesh, 0]
    _, bary, depth = _barycentric(corners[face], col + 0.5, row + 0.5, perspective)
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
    for corner in faces.unbind(1):
        normals.index_add_(1, corner, across)
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
        batch, num_vertices = vertices.shape[:2]
        height, width = (side * self.supersample for side in self.image_size)
        points = camera.project(vertices)
        points = torch.cat((points[..., :2] * self.supersample, points[..., 2:]), -1)
        shift = torch.arange(batch, device=faces.device)
        all_faces = (faces + shift[:, None, None] * num_vertices).reshape(-1, 3)
        fragments = rasterize(
            points.reshape(-1, 3),
            all_faces,
            (height, width),
            shift.repeat_interleave(len(faces)),
            perspective=camera.perspective,
        )
        normals = camera.rotate(vertex_normals(vertices, faces)).reshape(-1, 3)
        normal = torch.nn.functional.normalize(fragments.interpolate(normals, all_faces), dim=-1)
        shade = torch.full_like(fragments.depth, self.ambient)
        for direction, strength in self.lights:
            towards = torch.nn.functional.normalize(normal.new_tensor(direction), dim=0)
            shade = shade + strength * (normal @ towards).clamp(min=0)
        if colors is None:
            albedo = torch.full_like(shade[:, None], 0.75)
        else:
            albedo = fragments.interpolate(colors.expand(batch, -1, -1).reshape(-1, 3), all_faces)
        pixel = (fragments.mesh, fragments.row, fragments.col)
        channels = albedo.shape[1]
        image = vertices.new_full((batch, height, width, channels), self.background)
        image[pixel] = (albedo * shade[:, None]).clamp(0, 1)
        mask = vertices.new_zeros(batch, height, width)
        mask[pixel] = 1
        depth = vertices.new_full((batch, height, width), torch.inf)
        depth[pixel] = fragments.depth
        face_index = torch.full((batch, height, width), -1, dtype=torch.int64, device=vertices.device)
        face_index[pixel] = fragments.face % len(faces)
        return self._downsample(image.permute(0, 3, 1, 2), mask, depth, face_index)

    def _downsample(self, image: Tensor, mask: Tensor, depth: Tensor, face_index: Tensor) -> RenderOutput:
        side = self.supersample
        if side == 1:
            return RenderOutput(image, mask, depth, face_index)
        image = torch.nn.functional.avg_pool2d(image, side)
        mask = torch.nn.functional.avg_pool2d(mask[:, None], side)[:, 0]
        samples = torch.nn.functional.unfold(depth.nan_to_num(posinf=3e38)[:, None], side, stride=side)
        nearest = samples.argmin(1)  # (B, H * W)
        rows, cols = self.image_size
        blocks = face_index.unflatten(1, (rows, side)).unflatten(3, (cols, side)).transpose(2, 3)  # (B, H, W, s, s)
        blocks = blocks.reshape(len(mask), rows * cols, side * side)
        face_index = blocks.gather(2, nearest[..., None])[..., 0].view(-1, rows, cols)
        depth = samples.amin(1).view(-1, rows, cols)
        return RenderOutput(image, mask, torch.where(depth > 1e38, torch.inf, depth), face_index)
