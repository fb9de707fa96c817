"""The renderer whose triangles pytorch3d finds.

Shape legend: B meshes, V vertices, F triangles, H x W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from pedsearch.ops.rasterize import NEAR
from pedsearch.registry import TASK_UTILS

from .renderers import SoftwareRenderer


def to_ndc(points: Tensor, image_size: tuple[int, int]) -> Tensor:
    r"""Pixels to the axes of pytorch3d's rasteriser: x left, y up, the shorter side of the picture is [-1, 1].

    .. math:: x' = (W - 2 x) / \min(H, W), \qquad y' = (H - 2 y) / \min(H, W)

    Args:
        points (Tensor): (..., 3) x right and y down in pixels, whose centres are at +0.5, and depth.
        image_size (tuple[int, int]): (H, W).

    Returns:
        Tensor: (..., 3), depth as it was.

    Source: pytorch3d, documentation of cameras and of ``rasterize_meshes`` (since 0.4, non-square pictures).
    """
    height, width = image_size
    place = (points.new_tensor([width, height]) - 2 * points[..., :2]) / min(height, width)
    return torch.cat((place, points[..., 2:]), -1)


@TASK_UTILS.register_module()
class PyTorch3DRenderer(SoftwareRenderer):
    """Draw like :class:`SoftwareRenderer`, but let pytorch3d say which triangle a pixel shows.

    Arguments, pictures and shading are the same. Rasterisation is hard: no blur, one face per pixel. Two things differ,
    both of single pixels: a centre exactly on an edge belongs to no triangle there, and triangles of almost no area are
    passed over.

    Raises:
        ImportError: pytorch3d is not installed.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        _pytorch3d()

    def _visible_faces(self, points: Tensor, faces: Tensor, image_size: tuple[int, int], perspective: bool) -> Tensor:
        batch, num_faces = len(points), len(faces)
        if batch == 0 or num_faces == 0:
            return faces.new_full((batch, *image_size), -1)
        rasterize_meshes, meshes_type = _pytorch3d()
        corners = points[:, faces]  # (B, F, 3, 3)
        drawn = corners.isfinite().flatten(2).all(2)
        if perspective:
            drawn &= corners[..., 2].amin(2) > NEAR
        points = points.nan_to_num(0, 0, 0)
        if not perspective:  # what lies behind 0 would be left out
            points = points - points.new_tensor([0, 0, 1]) * points[..., 2].amin().clamp(max=0)
        one_corner = torch.zeros_like(faces)  # three times the same: no area, not drawn
        face, *_ = rasterize_meshes(
            meshes_type(to_ndc(points, image_size), torch.where(drawn[..., None], faces, one_corner)),
            image_size=image_size,
            blur_radius=0.0,
            faces_per_pixel=1,
            max_faces_per_bin=max(10_000, num_faces),  # however crowded, no bin of the coarse pass overflows
            perspective_correct=perspective,
        )
        face = face[..., 0]  # (B, H, W), counted through all meshes
        first = num_faces * torch.arange(batch, device=face.device)[:, None, None]
        return torch.where(face < 0, face, face - first)


def _pytorch3d() -> tuple[Callable, type]:
    """``rasterize_meshes`` and ``Meshes``."""
    try:
        from pytorch3d.renderer.mesh import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise ImportError(
            'PyTorch3DRenderer needs pytorch3d, which cannot be imported; build it with '
            '`pip install --no-build-isolation git+https://github.com/facebookresearch/pytorch3d` (about 25 minutes) '
            "or use type='SoftwareRenderer', which draws the same"
        ) from error
    return rasterize_meshes, Meshes
