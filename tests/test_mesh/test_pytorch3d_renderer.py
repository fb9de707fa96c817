"""Conversion of coordinates, against a stand-in for pytorch3d's rasteriser written from its documentation; agreement
with pytorch3d itself where it is installed."""

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from pedsearch.mesh import (
    BodyShape,
    Gait,
    PinholeCamera,
    PrismBody,
    PyTorch3DRenderer,
    SoftwareRenderer,
    look_rotation,
    vertex_normals,
)
from pedsearch.mesh.pytorch3d_renderer import to_ndc
from pedsearch.registry import TASK_UTILS

from ..plain_zbuffer import soup


class Meshes:
    def __init__(self, verts, faces):
        self.verts, self.faces = verts, faces


def ndc_centres(length, other):
    """Pixel centres along a side, which is [-1, 1], or longer in proportion if it is the longer side."""
    reach = max(1, length / other)
    return -reach + 2 * reach * (np.arange(length) + 0.5) / length


def rasterize_meshes(
    meshes, image_size, blur_radius, faces_per_pixel, bin_size=None, max_faces_per_bin=None, perspective_correct=False
):
    """x left, y up, z into the picture; nearest first; faces counted through all meshes; edges belong to no face."""
    assert (blur_radius, faces_per_pixel) == (0, 1)
    assert max_faces_per_bin >= meshes.faces.shape[1]
    height, width = image_size
    y, x = np.meshgrid(ndc_centres(height, width)[::-1], ndc_centres(width, height)[::-1], indexing='ij')
    pix_to_face = np.full((len(meshes.verts), height, width, 1), -1)
    zbuf = np.full(pix_to_face.shape, np.inf)
    for mesh, (verts, faces) in enumerate(zip(meshes.verts.double().numpy(), meshes.faces.numpy())):
        for face, ((ax, ay, az), (bx, by, bz), (cx, cy, cz)) in enumerate(verts[faces]):
            area = (cx - ax) * (by - ay) - (cy - ay) * (bx - ax)
            if abs(area) <= 1e-8:
                continue
            a = ((x - bx) * (cy - by) - (y - by) * (cx - bx)) / area
            b = ((x - cx) * (ay - cy) - (y - cy) * (ax - cx)) / area
            c = ((x - ax) * (by - ay) - (y - ay) * (bx - ax)) / area
            if perspective_correct:
                tops = a * bz * cz, az * b * cz, az * bz * c
                a, b, c = (top / sum(tops) for top in tops)
            depth = a * az + b * bz + c * cz
            nearer = (a > 0) & (b > 0) & (c > 0) & (depth >= 0) & (depth < zbuf[mesh, ..., 0])
            zbuf[mesh, nearer, 0] = depth[nearer]
            pix_to_face[mesh, nearer, 0] = mesh * len(faces) + face
    bary = torch.zeros(*pix_to_face.shape, 3)
    return torch.from_numpy(pix_to_face), torch.from_numpy(np.where(np.isinf(zbuf), -1, zbuf)), bary, bary[..., 0]


@pytest.fixture
def stand_in(monkeypatch):
    modules = {name: ModuleType(name) for name in ('pytorch3d', 'pytorch3d.renderer', 'pytorch3d.renderer.mesh',
                                                   'pytorch3d.structures')}  # fmt: skip
    modules['pytorch3d.renderer.mesh'].rasterize_meshes = rasterize_meshes
    modules['pytorch3d.structures'].Meshes = Meshes
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def body_points(image_size):
    body = PrismBody()
    vertices = body.pose([BodyShape(), BodyShape()], [Gait(0.3), Gait(2.0)])
    height, width = image_size
    camera = PinholeCamera(look_rotation(0.4, 0.1), torch.tensor([1.5, -3.5, 1.1]), (width / 2, height / 2), height)
    return camera.project(vertices), camera.rotate(vertex_normals(vertices, body.faces)), body.faces


def equal_share(points, normals, faces, image_size, perspective, supersample=2):
    """Of the pixels that either renderer covers."""
    ours, theirs = (
        kind(image_size, supersample).draw(points, normals, faces, perspective=perspective)
        for kind in (SoftwareRenderer, PyTorch3DRenderer)
    )
    assert theirs.image.shape == ours.image.shape
    same = ours.face_index == theirs.face_index
    assert torch.equal(ours.depth[same & (ours.mask == theirs.mask)], theirs.depth[same & (ours.mask == theirs.mask)])
    close = (ours.image - theirs.image).abs().amax(1) < 1e-6
    either = (ours.face_index >= 0) | (theirs.face_index >= 0)
    assert either.float().mean() > 0.03
    return float((same & close)[either].float().mean())


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('image_size', [(48, 24), (30, 50), (32, 32)])
def test_same_pictures_of_a_body(stand_in, image_size, perspective):
    points, normals, faces = body_points(image_size)
    if not perspective:
        points = points - torch.tensor([0.0, 0.0, 10.0])  # depths below 0 are as good as others
    assert equal_share(points, normals, faces, image_size, perspective) >= 0.995


@pytest.mark.parametrize('perspective', [True, False])
def test_same_triangles_are_dropped(stand_in, perspective):
    """Among them triangles behind the camera, or below 0 without perspective, and ones that are not finite."""
    points, faces = soup(2, 40, (20, 30), 5.0)
    faces = faces[torch.arange(40) % 7 != 1]  # twins are equally deep but for rounding
    normals = torch.nn.functional.normalize(torch.randn(points.shape), dim=-1)
    assert equal_share(points, normals, faces, (20, 30), perspective, 1) >= 0.995


def test_nothing_to_draw(stand_in):
    renderer = PyTorch3DRenderer((6, 4))
    for points, faces in ((torch.rand(2, 9, 3), torch.zeros(0, 3).long()), (torch.rand(0, 9, 3), torch.arange(9))):
        out = renderer.draw(points, points, faces.view(-1, 3))
        assert out.image.shape == (len(points), 1, 6, 4)
        assert (out.face_index == -1).all()


@pytest.mark.parametrize(
    ('image_size', 'corner'), [((40, 40), (1.0, 1.0)), ((20, 50), (2.5, 1.0)), ((50, 20), (1.0, 2.5))]
)
def test_axes(image_size, corner):
    """The upper left corner of a picture, its middle, and the centre of its first pixel."""
    height, width = image_size
    pixels = torch.tensor([[0.0, 0, 3], [width / 2, height / 2, 4], [0.5, 0.5, 5]])
    step = 1 / min(height, width)
    expected = torch.tensor([[*corner, 3], [0, 0, 4], [corner[0] - step, corner[1] - step, 5]])
    torch.testing.assert_close(to_ndc(pixels, image_size), expected)


@pytest.mark.skipif(importlib.util.find_spec('pytorch3d') is None, reason='needs pytorch3d')
@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('image_size', [(128, 64), (60, 100)])
def test_agrees_with_pytorch3d(image_size, perspective):
    assert equal_share(*body_points(image_size), image_size, perspective) >= 0.995


def test_without_pytorch3d(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pytorch3d', None)
    with pytest.raises(ImportError, match='needs pytorch3d, .*pip install .* or use type=.SoftwareRenderer'):
        PyTorch3DRenderer((8, 4))
    assert TASK_UTILS.module_dict['PyTorch3DRenderer'] is PyTorch3DRenderer
