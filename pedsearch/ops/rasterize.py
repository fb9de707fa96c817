"""The nearest triangle at every pixel of pictures of meshes.

Shape legend: B meshes, V vertices, F triangles, N covered pixels of all meshes, K candidates, H x W pixels.

Conventions: x runs right and y down, the centre of pixel (row, col) is (col + 0.5, row + 0.5), depth grows away from
the camera. Nothing here is differentiable.
"""

import torch
from torch import Tensor

from .native import native_library

NEAR = 1e-3
"""Triangles with a corner nearer than this (metres) to a perspective camera are dropped, not clipped."""

_CHUNK = 4_000_000


@torch.no_grad()
def zbuffer(points: Tensor, faces: Tensor, image_size: tuple[int, int], *,
            perspective: bool = True) -> tuple[Tensor, Tensor]:
    r"""Find the nearest triangle at every pixel; meshes share their triangles, each has a picture of its own.

    .. math:: z(p) = 1 / \sum_i \lambda_i(p) / z_i \quad (\text{perspective}), \qquad
              z(p) = \sum_i \lambda_i(p) z_i \quad (\text{orthographic})

    with :math:`\lambda_i` the barycentric weights of the pixel centre in the projected triangle. A centre on an edge
    belongs to every triangle there; at equal depth the lowest face index wins. Both windings are drawn. Dropped are
    triangles without area, with a coordinate that is not finite, and, for a perspective camera, with a corner at a
    depth of ``NEAR`` or less. Native kernels and reference agree to the last bit.

    Args:
        points: (B, V, 3) float32, x and y in pixels, depth.
        faces: (F, 3) int64 in 0...V-1.
        image_size: (H, W).
        perspective: whether depth is interpolated perspective-correctly.

    Returns:
        tuple[Tensor, Tensor]: face index (B, H, W) int64, -1 where there is none; depth (B, H, W) float32, inf there.

    Raises:
        ValueError: on other shapes or types; on the CPU, on a corner out of range (CUDA kernel: such a triangle is
            dropped).

    Source: own (standard edge-function rasterisation).

    Example:
        >>> points = torch.tensor([[[0., 0., 2.], [4., 0., 2.], [0., 4., 2.]]])
        >>> zbuffer(points, torch.tensor([[0, 1, 2]]), (2, 3))[0]
        tensor([[[0, 0, 0],
                 [0, 0, 0]]])
    """
    _check(points, faces, image_size)
    height, width = image_size
    library = native_library(points.device)
    if library is None:
        return _reference(points, faces, (height, width), perspective)
    face_index = faces.new_empty(len(points), height, width)
    depth = points.new_empty(len(points), height, width)
    library.call('zbuffer', points.contiguous(), faces.contiguous(), *points.shape[:2], len(faces), height, width,
                 int(perspective), NEAR, face_index, depth)
    return face_index, depth


def _reference(points: Tensor, faces: Tensor, image_size: tuple[int, int], perspective: bool) -> tuple[Tensor, Tensor]:
    batch, num_vertices = points.shape[:2]
    mesh = torch.arange(batch, device=points.device)
    all_points, all_faces = points.reshape(-1, 3), (faces + num_vertices * mesh[:, None, None]).reshape(-1, 3)
    mesh, row, col, face = nearest_faces(all_points, all_faces, image_size, mesh.repeat_interleave(len(faces)),
                                         perspective=perspective)
    face_index = faces.new_full((batch, *image_size), -1)
    face_index[mesh, row, col] = face - mesh * len(faces)
    depth = points.new_full((batch, *image_size), torch.inf)
    weights = barycentric(all_points[all_faces[face]], col + .5, row + .5, perspective)
    depth[mesh, row, col] = weights[2] + 0.  # no -0
    return face_index, depth


def _edge(a: Tensor, b: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Twice the signed area of (a, b, (x, y))."""
    return (b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0])


def sum_of_three(values: Tensor) -> Tensor:
    """(K, 3, ...) -> (K, ...), added from left to right on every device."""
    return values[:, 0] + values[:, 1] + values[:, 2]


def barycentric(corners: Tensor, x: Tensor, y: Tensor, perspective: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the corners of a triangle at a point of the picture.

    Args:
        corners: (K, 3, 3) x, y, depth of the corners of each triangle.
        x, y: (K,) one point for each.
        perspective: whether depth is interpolated perspective-correctly.

    Returns:
        tuple[Tensor, Tensor, Tensor]: weights on the picture (K, 3), weights on the surface (K, 3), depth (K,).
    """
    a, b, c = corners.unbind(1)
    screen = torch.stack((_edge(b, c, x, y), _edge(c, a, x, y), _edge(a, b, x, y)), 1)  # (K, 3)
    screen = screen / sum_of_three(screen)[:, None]
    if not perspective:
        return screen, screen, sum_of_three(screen * corners[..., 2])
    inverse = screen / corners[..., 2]  # 1 / depth is what is linear on the picture
    depth = 1 / sum_of_three(inverse)
    return screen, inverse * depth[:, None], depth


def _key(depth: Tensor, face: Tensor) -> Tensor:
    """Depth above face index in one integer: float bits, inverted below 0, order like the float."""
    bits = (depth.float() + 0.).view(torch.int32)
    return (bits ^ (bits >> 31 & 0x7FFFFFFF)).long() << 32 | face


def nearest_faces(points: Tensor, faces: Tensor, image_size: tuple[int, int], face_mesh: Tensor, *,
                  perspective: bool = True, clip: bool = True) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The covered pixels of meshes that share no triangle, in plain torch; rules as for :func:`zbuffer`.

    Every triangle proposes the pixels of its bounding box, all triangles at once in one flat list; the candidates whose
    centre lies inside survive, and ``scatter_reduce('amin')`` on depth and face keeps one of every pixel. There is no
    loop over pixels and none over triangles, only one over chunks that bounds memory.

    Args:
        points: (V, 3) floating point, x and y in pixels, depth.
        faces: (F, 3) int64 in 0...V-1.
        image_size: (H, W).
        face_mesh: (F,) int64, the mesh of every face.
        perspective: whether depth is interpolated perspective-correctly.
        clip: whether to keep only pixels of the picture, else up to one picture more on each side.

    Returns:
        tuple[Tensor, Tensor, Tensor, Tensor]: mesh, row, column and face, (N,) int64 each, sorted in this order.
    """
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
    valid = (area != 0) & torch.isfinite(area) & torch.isfinite(corners[..., 2]).all(1)
    if perspective:
        valid &= corners[..., 2].amin(1) > NEAR
    count = torch.where(valid, extent.prod(1), 0)
    used = count.nonzero()[:, 0]
    if len(used) == 0:
        none = faces.new_zeros(0)
        return none, none, none, none

    # One window per mesh, as tight as its candidates, all windows in one flat z-buffer.
    num_meshes = int(face_mesh.max()) + 1
    mesh_of = face_mesh[used, None].expand(-1, 2)
    big = torch.iinfo(torch.int64).max
    start = first.new_full((num_meshes, 2), big).scatter_reduce(0, mesh_of, first[used], 'amin')
    stop = first.new_full((num_meshes, 2), -big).scatter_reduce(0, mesh_of, (first + extent)[used], 'amax')
    size = (stop - start).clamp(min=0)
    size[stop[:, 0] == -big] = 0
    offset = torch.cumsum(size.prod(1), 0) - size.prod(1)
    keys = torch.full((int(size.prod(1).sum()), ), big, dtype=torch.int64, device=points.device)

    chunk_of = torch.div(torch.cumsum(count[used], 0) - 1, _CHUNK, rounding_mode='floor')
    for chunk in torch.unique_consecutive(chunk_of):
        face = used[chunk_of == chunk]
        cand = torch.repeat_interleave(face, count[face])  # (K,) face of every candidate
        begin = torch.cumsum(count[face], 0) - count[face]
        within = torch.arange(len(cand), device=cand.device) - torch.repeat_interleave(begin, count[face])
        col = first[cand, 0] + within % extent[cand, 0]
        row = first[cand, 1] + torch.div(within, extent[cand, 0], rounding_mode='floor')
        screen, _, depth = barycentric(corners[cand], col + 0.5, row + 0.5, perspective)
        inside = ((screen >= 0).all(1) & torch.isfinite(depth)).nonzero()[:, 0]
        cand, col, row, depth = cand[inside], col[inside], row[inside], depth[inside]
        mesh = face_mesh[cand]
        index = offset[mesh] + (row - start[mesh, 1]) * size[mesh, 0] + col - start[mesh, 0]
        keys.scatter_reduce_(0, index, _key(depth, cand), 'amin')

    index = (keys != big).nonzero()[:, 0]
    face = keys[index] & 0xFFFFFFFF
    mesh = face_mesh[face]
    within = index - offset[mesh]
    row = start[mesh, 1] + torch.div(within, size[mesh, 0], rounding_mode='floor')
    col = start[mesh, 0] + within % size[mesh, 0]
    return mesh, row, col, face


def _check(points: Tensor, faces: Tensor, image_size: tuple[int, int]) -> None:
    """A kernel reads where the faces point, so they must point to points."""
    if points.ndim != 3 or points.shape[2] != 3 or points.dtype != torch.float32:
        raise ValueError(f'points must have shape (B, V, 3) and be float32, got {tuple(points.shape)} {points.dtype}; '
                         'pass x, y in pixels and depth of each mesh')
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype != torch.int64 or faces.device != points.device:
        raise ValueError(f'faces must have shape (F, 3) and be int64 on {points.device}, got {tuple(faces.shape)} '
                         f'{faces.dtype} on {faces.device}; split polygons into triangles')
    if len(image_size) != 2 or min(image_size) < 1:
        raise ValueError(f'image_size must be (height, width), both positive, got {tuple(image_size)}')
    if points.device.type == 'cpu' and faces.numel():
        first, last = map(int, faces.aminmax())
        if first < 0 or last >= points.shape[1]:
            raise ValueError(f'faces must be in 0...{points.shape[1] - 1}, got {first} to {last}; do they belong to '
                             'other points?')
