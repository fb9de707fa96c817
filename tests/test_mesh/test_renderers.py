"""The z-buffer against a pixel-by-pixel oracle and against geometry known in closed form."""

import math
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from pedsearch.mesh.cameras import OrthographicCamera, PinholeCamera, look_rotation
from pedsearch.mesh.garments import ellipsoid
from pedsearch.mesh.renderers import SoftwareRenderer, rasterize, vertex_normals
from pedsearch.ops import reference_kernels
from pedsearch.registry import TASK_UTILS


def slow_zbuffer(points, faces, height, width, perspective):
    """Nearest face and its depth at every pixel, in double precision, one pixel and one triangle at a time."""
    points = points.double().numpy()
    nearest, winner = np.full((height, width), np.inf), np.full((height, width), -1)
    for index, face in enumerate(faces.tolist()):
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[face]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0:
            continue
        for row in range(height):
            for col in range(width):
                x, y = col + 0.5, row + 0.5
                u = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                v = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                w = 1 - u - v
                if min(u, v, w) < 0:
                    continue
                depth = 1 / (u / az + v / bz + w / cz) if perspective else u * az + v * bz + w * cz
                if depth < nearest[row, col]:
                    nearest[row, col], winner[row, col] = depth, index
    return winner, nearest


def random_triangles(seed, count, height, width):
    generator = torch.Generator().manual_seed(seed)
    center = torch.rand(count, 1, 2, generator=generator) * torch.tensor([width, height])
    corners = center + torch.randn(count, 3, 2, generator=generator) * torch.rand(count, 1, 1, generator=generator) * 12
    depth = 1 + 5 * torch.rand(count, 3, 1, generator=generator)
    return torch.cat((corners, depth), -1).reshape(-1, 3), torch.arange(count * 3).view(-1, 3)


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize('seed', [0, 1])
def test_equals_the_slow_loop(seed, perspective):
    height, width = 24, 32
    points, faces = random_triangles(seed, 40, height, width)
    winner, nearest = slow_zbuffer(points, faces, height, width, perspective)
    hits = rasterize(points, faces, (height, width), perspective=perspective)
    face = np.full((height, width), -1)
    depth = np.full((height, width), np.inf)
    face[hits.row, hits.col] = hits.face
    depth[hits.row, hits.col] = hits.depth
    assert (winner >= 0).sum() > 200
    np.testing.assert_array_equal(face, winner)
    np.testing.assert_allclose(depth, nearest, rtol=1e-5)


def test_each_mesh_has_its_own_buffer():
    points, faces = random_triangles(3, 30, 24, 32)
    mesh = torch.arange(30) % 3
    together = rasterize(points, faces, (24, 32), mesh)
    for index in range(3):
        alone = rasterize(points, faces[mesh == index], (24, 32))
        part = together[together.mesh == index]
        assert torch.equal(part.row, alone.row)
        assert torch.equal(part.col, alone.col)
        assert torch.equal(part.depth, alone.depth)


def test_chunks_change_nothing(monkeypatch):
    points, faces = random_triangles(4, 60, 24, 32)
    whole = rasterize(points, faces, (24, 32))
    monkeypatch.setattr('pedsearch.ops.rasterize._CHUNK', 50)
    pieces = rasterize(points, faces, (24, 32))
    assert torch.equal(whole.face, pieces.face)
    assert torch.equal(whole.bary, pieces.bary)


def test_unclipped_silhouette_goes_on_outside():
    """A 40 x 10 rectangle of which the left half lies outside."""
    points = torch.tensor([[-20.0, 4, 1], [20, 4, 1], [20, 14, 1], [-20, 14, 1]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    assert len(rasterize(points, faces, (24, 32))) == 20 * 10
    beyond = rasterize(points, faces, (24, 32), clip=False)
    assert len(beyond) == 40 * 10
    assert int(beyond.col.min()) == -20


def test_texture_is_perspective_correct():
    """A floor seen at a slant: interpolated world coordinates must project back onto their own pixel."""
    camera = PinholeCamera(look_rotation(0.3, 0.4), torch.tensor([0.2, -1.0, 2.0]), (32.0, 24.0), 40.0)
    floor = torch.tensor([[-2.0, 1.5, 0.0], [2.5, 1.0, 0.0], [2.0, 9.0, 0.0], [-6.0, 8.0, 0.0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    hits = rasterize(camera.project(floor), faces, (48, 64))
    assert len(hits) > 300
    back = camera.project(hits.interpolate(floor, faces))
    torch.testing.assert_close(back[:, 0], hits.col + 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(back[:, 1], hits.row + 0.5, atol=1e-3, rtol=0)
    torch.testing.assert_close(back[:, 2], hits.depth, atol=1e-4, rtol=0)


def test_sphere_area_depth_and_silhouette():
    """Orthographic sphere: pi r^2 pixels; nearest point one radius before the centre."""
    radius, scale = 1.0, 30.0
    vertices, faces = ellipsoid((0.0, 0.0, 0.0), (radius,) * 3, rows=40, cols=80)
    camera = OrthographicCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, -5.0, 0.0]), (40.0, 40.0), scale)
    out = SoftwareRenderer((80, 80), supersample=3)(vertices[None], faces, camera)
    assert float(out.mask.sum()) == pytest.approx(math.pi * (radius * scale) ** 2, rel=0.01)
    assert float(out.depth.min()) == pytest.approx(4.0, abs=2e-3)
    assert out.image.shape == (1, 1, 80, 80)
    assert float(out.image[0, 0, 0, 0]) == 1.0  # background
    assert int(out.face_index[0, 0, 0]) == -1
    assert torch.isinf(out.depth[0, 0, 0])


def test_sphere_normals_and_winding():
    vertices, faces = ellipsoid((0.0, 0.0, 0.0), (2.0,) * 3, rows=30, cols=60)
    normals = vertex_normals(vertices[None], faces)[0]
    outward = (normals * vertices / 2).sum(1)
    assert float(outward[60:-60].min()) > 0.99


def test_nearer_sphere_hides_the_farther():
    near, faces = ellipsoid((0.0, 0.0, 0.0), (0.5,) * 3)
    far, _ = ellipsoid((0.0, 3.0, 0.0), (0.5,) * 3)
    camera = PinholeCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, -4.0, 0.0]), (32.0, 32.0), 60.0)
    points = camera.project(torch.cat((far, near)))
    both = torch.cat((faces, faces + len(far)))
    hits = rasterize(points, both, (64, 64))
    assert set((hits.face >= len(faces)).tolist()) == {True}


def test_lambert_value_of_a_facing_plate():
    """Light straight from the camera on a plate that faces it: albedo x (ambient + strength)."""
    plate = torch.tensor([[-1.0, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1]])[None]
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    camera = OrthographicCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, -3.0, 0.0]), (8.0, 8.0), 5.0)
    renderer = SoftwareRenderer((16, 16), 1, ambient=0.2, lights=(((0.0, 0.0, -1.0), 0.6),))
    color = torch.tensor([0.5, 0.25, 1.0]).expand(4, 3)
    out = renderer(plate, faces, camera, color)
    torch.testing.assert_close(out.image[0, :, 8, 8], torch.tensor([0.4, 0.2, 0.8]))


def composed_picture(renderer, points, normals, faces, colors, perspective):
    """Fragments of all meshes in one list, shaded, scattered into pictures, the nearest of all samples of a pixel."""
    batch, side = len(points), renderer.supersample
    size = [length * side for length in renderer.image_size]
    points = points * torch.tensor([side, side, 1.0])
    mesh = torch.arange(batch)
    all_faces = (faces + mesh[:, None, None] * points.shape[1]).reshape(-1, 3)
    hits = rasterize(
        points.reshape(-1, 3), all_faces, size, mesh.repeat_interleave(len(faces)), perspective=perspective
    )
    normal = torch.nn.functional.normalize(hits.interpolate(normals.reshape(-1, 3), all_faces), dim=-1)
    shade = torch.full_like(hits.depth, renderer.ambient)
    for direction, strength in renderer.lights:
        shade = shade + strength * (normal @ torch.nn.functional.normalize(torch.tensor(direction), dim=0)).clamp(min=0)
    albedo = hits.interpolate(colors.expand(batch, -1, -1).reshape(-1, colors.shape[-1]), all_faces)
    image = torch.full((batch, *size, colors.shape[-1]), renderer.background)
    image[hits.mesh, hits.row, hits.col] = (albedo * shade[:, None]).clamp(0, 1)
    mask, depth = torch.zeros(batch, *size), torch.full((batch, *size), torch.inf)
    mask[hits.mesh, hits.row, hits.col] = 1
    depth[hits.mesh, hits.row, hits.col] = hits.depth
    face = torch.full((batch, *size), -1)
    face[hits.mesh, hits.row, hits.col] = hits.face % len(faces)
    pool = torch.nn.functional.avg_pool2d
    samples, blocks = (
        values.unflatten(1, (-1, side)).unflatten(3, (-1, side)).transpose(2, 3).flatten(3) for values in (depth, face)
    )  # (B, H, W, side * side)
    nearest = samples.argmin(-1, keepdim=True)
    return (
        pool(image.permute(0, 3, 1, 2), side), pool(mask[:, None], side)[:, 0], samples.amin(-1),
        blocks.gather(3, nearest)[..., 0],
    )  # fmt: skip


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize(('batch', 'supersample', 'channels'), [(3, 2, 3), (1, 1, 1), (2, 3, 1)])
def test_pictures_are_those_of_shaded_fragments(batch, supersample, channels, perspective, native):
    """To the last bit."""
    generator = torch.Generator().manual_seed(7)
    vertices, faces = ellipsoid((0.0, 0.0, 0.0), (9.0, 14.0, 6.0))
    points = vertices + torch.tensor([12.0, 15.0, 20.0]) + torch.randn(batch, len(vertices), 3, generator=generator)
    normals = torch.nn.functional.normalize(torch.randn(points.shape, generator=generator), dim=-1)
    colors = torch.rand(len(vertices), channels, generator=generator)
    renderer = SoftwareRenderer((30, 26), supersample, lights=(((-0.5, -0.6, -0.7), 0.75), ((1.0, 0.0, -1.0), 0.5)))
    expected = composed_picture(renderer, points, normals, faces, colors, perspective)
    with nullcontext() if native else reference_kernels():
        found = renderer.draw(points, normals, faces, colors, perspective)
    for name, value in zip(('image', 'mask', 'depth', 'face_index'), expected):
        assert torch.equal(getattr(found, name), value), name
    grey, same = (renderer.draw(points, normals, faces, value, perspective) for value in (None, colors * 0 + 0.75))
    torch.testing.assert_close(grey.image, same.image[:, :1])
    assert 0.2 < float(found.mask.mean()) < 0.8


def test_of_equally_deep_samples_the_first_is_named():
    """Pixels whose left half shows one plate, their right half another."""
    points = torch.tensor([[0.0, 0, 2], [0.5, 0, 2], [0.5, 8, 2], [0, 8, 2], [4, 0, 2], [4, 8, 2]])[None]
    left, right = [[0, 1, 2], [0, 2, 3]], [[1, 4, 5], [1, 5, 2]]
    for faces, named in ((left + right, {0, 1}), (right + left, {2, 3})):
        out = SoftwareRenderer((8, 4)).draw(points, torch.zeros_like(points), torch.tensor(faces))
        assert set(out.face_index[0, :, 0].tolist()) <= named


def test_double_precision_is_drawn_in_single():
    vertices, faces = ellipsoid((12.0, 15.0, 20.0), (9.0, 14.0, 6.0))
    renderer = SoftwareRenderer((30, 26))
    single = renderer.draw(vertices[None], -vertices[None], faces, vertices / 40)
    double = renderer.draw(vertices[None].double(), -vertices[None].double(), faces, vertices.double() / 40)
    assert double.image.dtype == torch.float32
    assert torch.equal(single.image, double.image)


def test_pictures_without_meshes_and_without_triangles():
    renderer = SoftwareRenderer((6, 4))
    some = renderer.draw(torch.rand(2, 9, 3), torch.rand(2, 9, 3), torch.zeros(0, 3).long())
    assert some.image.shape == (2, 1, 6, 4)
    assert (some.image == 1).all()
    assert some.depth.isinf().all()
    none = renderer.draw(torch.rand(0, 9, 3), torch.rand(0, 9, 3), torch.arange(9).view(3, 3))
    assert none.image.shape == (0, 1, 6, 4)


@pytest.mark.parametrize('batch', [1, 3])
def test_vertex_normals_are_sums_in_the_order_of_the_faces(batch):
    """To the last bit: files made of pictures must not change."""
    vertices, faces = ellipsoid((0.0, 0.0, 0.0), (1.0, 2.0, 3.0), rows=8, cols=11)
    vertices = vertices + torch.rand(batch, *vertices.shape, generator=torch.Generator().manual_seed(0))
    slow = torch.zeros_like(vertices)
    a, b, c = vertices[:, faces].unbind(2)
    across = torch.linalg.cross(b - a, c - a)
    for corner in range(3):
        for index, face in enumerate(faces.tolist()):
            slow[:, face[corner]] += across[:, index]
    assert torch.equal(vertex_normals(vertices, faces), torch.nn.functional.normalize(slow, dim=-1))


def test_turned_body_equals_turned_camera():
    """Turning the world and the camera together changes nothing."""
    vertices, faces = ellipsoid((0.1, 0.2, 0.0), (0.4, 0.2, 0.8))
    angle = 0.7
    spin = torch.tensor(
        [[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]]
    )  # rows times spin turns left by angle
    still = PinholeCamera(look_rotation(0.0, 0.1), torch.tensor([0.0, -3.0, 0.4]), (20.0, 30.0), 50.0)
    moved = PinholeCamera(look_rotation(angle, 0.1), still.position @ spin, (20.0, 30.0), 50.0)
    renderer = SoftwareRenderer((60, 40), 2)
    first = renderer(vertices[None], faces, still)
    second = renderer((vertices @ spin)[None], faces, moved)
    assert float((first.mask - second.mask).abs().mean()) < 2e-3
    assert float((first.image - second.image).abs().mean()) < 2e-3


def test_nothing_in_view():
    points = torch.tensor([[100.0, 100, 1], [110, 100, 1], [100, 110, 1], [5, 5, -1], [9, 5, -1], [5, 9, -1]])
    hits = rasterize(points, torch.tensor([[0, 1, 2], [3, 4, 5]]), (20, 20))
    assert len(hits) == 0


def test_registered():
    assert TASK_UTILS.module_dict['SoftwareRenderer'] is SoftwareRenderer


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: rasterize(torch.zeros(3, 2), torch.zeros(1, 3).long(), (4, 4)), r'points must have shape \(V, 3\)'),
        (lambda: rasterize(torch.zeros(3, 3), torch.zeros(1, 4).long(), (4, 4)), r'faces must have shape \(F, 3\)'),
        (lambda: SoftwareRenderer((4, 4), supersample=0), 'supersample must be >= 1, got 0'),
        (
            lambda: SoftwareRenderer((4, 4))(torch.zeros(3, 3), torch.zeros(1, 3).long(), None),
            r'vertices must have shape \(B, V, 3\)',
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
