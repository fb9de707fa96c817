import numpy as np
import pytest
import torch

from pedsearch.mesh import BodyShape, Gait, PinholeCamera, PrismBody, look_rotation
from pedsearch.ops import native_library, rasterize, reference_kernels, zbuffer

from .. import plain_zbuffer
from ..plain_zbuffer import bits, soup


@pytest.fixture(params=['native', 'reference'])
def kernels(request):
    if request.param == 'native':
        if native_library(torch.device('cpu')) is None:
            pytest.skip('the native kernels are not built')
        yield
    else:
        with reference_kernels():
            yield


def assert_plain(points, faces, image_size, perspective):
    """As the plain loop says, to the last bit; returns the faces that are seen."""
    found = zbuffer(points, faces, image_size, perspective=perspective)
    assert (found[0].dtype, found[1].dtype) == (torch.int64, torch.float32)
    assert found[0].shape == found[1].shape == (len(points), *image_size)
    assert torch.equal(found[0] < 0, found[1].isinf())
    for mesh, face_index, depth in zip(points, *found):
        expected = plain_zbuffer.zbuffer(mesh, faces, image_size, perspective)
        assert torch.equal(face_index, expected[0])
        assert torch.equal(bits(depth), bits(expected[1] + 0.))
    return set(found[0].unique().tolist()) - {-1}


@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize(('size', 'image_size'), [(3., (11, 18)), (12., (14, 9)), (4., (1, 40)), (4., (40, 1)),
                                                  (1e4, (6, 6))])
def test_equals_the_plain_loop(kernels, size, image_size, perspective):
    seen = assert_plain(*soup(2, 47, image_size, size), image_size, perspective)
    assert len(seen) > 1


@pytest.mark.parametrize('perspective', [True, False])
def test_equals_the_plain_loop_in_double_precision(kernels, perspective):
    points, faces = soup(1, 40, (20, 24), 6., seed=5)
    face_index, depth = zbuffer(points, faces, (20, 24), perspective=perspective)
    expected = plain_zbuffer.zbuffer(points[0], faces, (20, 24), perspective, np.float64)
    first_of_twins = [torch.where(found % 7 == 1, found - 1, found) for found in (face_index[0], expected[0])]
    assert torch.equal(*first_of_twins)
    np.testing.assert_allclose(depth[0], expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('perspective', [True, False])
def test_centres_on_shared_edges_leave_no_hole(kernels, perspective):
    """A sheet of squares of two pixels, cut in halves, whose corners and edges meet pixel centres."""
    ramp = torch.arange(5.) * 2 + .5
    points = torch.cartesian_prod(ramp, ramp, torch.tensor([2.]))[None]
    corner = (torch.arange(4)[:, None] * 5 + torch.arange(4)).flatten()
    faces = torch.cat([torch.stack([corner, corner + 5, corner + 6], 1), torch.stack([corner, corner + 6, corner + 1], 1)])
    assert_plain(points, faces, (10, 10), perspective)
    face_index, depth = zbuffer(points, faces, (10, 10), perspective=perspective)
    assert (face_index[0, :9, :9] >= 0).all()
    assert (depth[0, :9, :9] == 2).all()
    assert (face_index[0, 9:] == -1).all()
    assert int(face_index[0, 2, 2]) == 0  # six triangles meet there


def test_of_equals_the_first_is_kept(kernels):
    points = torch.tensor([[[0., 0, 1], [8, 0, 2], [0, 8, 4]]])
    for faces in ([[0, 1, 2], [2, 1, 0], [0, 1, 2]], [[2, 1, 0], [1, 2, 0]]):
        found = zbuffer(points, torch.tensor(faces), (8, 8))[0]
        assert found.unique().tolist() == [-1, 0]


def test_nearer_wins_below_zero(kernels):
    points = torch.tensor([[[0., 0, z], [8, 0, z], [0, 8, z]] for z in (1., -1., -3., -2., 0., -0.)]).view(1, -1, 3)
    faces = torch.arange(18).view(-1, 3)
    face_index, depth = zbuffer(points, faces, (3, 3), perspective=False)
    assert face_index.unique().tolist() == [2]
    assert depth.unique().tolist() == [-3]
    for pair in ([4, 5], [5, 4]):
        face_index, depth = zbuffer(points, faces[pair], (3, 3), perspective=False)
        assert face_index.unique().tolist() == [0]  # -0 and 0 are equally deep
        assert bits(depth).unique().tolist() == [0]


def test_depths_that_overflow_are_not_drawn(kernels):
    deepest = torch.finfo(torch.float32).min
    points = torch.tensor([[[0., 0, deepest], [9, 0, deepest], [0, 9, deepest]]])
    assert_plain(points, torch.tensor([[0, 1, 2]]), (5, 5), perspective=False)
    depth = zbuffer(points, torch.tensor([[0, 1, 2]]), (5, 5), perspective=False)[1]
    assert 0 < depth[0, :3, :3].isinf().sum() < 9  # all are inside
    assert not depth.isneginf().any()


@pytest.mark.parametrize('corner', [(0., 0, .001), (0., 0, 0), (0., 0, -1), (torch.nan, 0, 1), (0, torch.inf, 1),
                                    (0, 0, torch.inf), (0, 0, torch.nan), (4., 4, 1), (8., 0, 1), (-3e38, 3e38, 1)])
def test_dropped(kernels, corner):
    points = torch.tensor([[corner, (8., 0, 1), (0, 8., 1)]])
    assert (zbuffer(points, torch.tensor([[0, 1, 2]]), (8, 8))[0] == -1).all()
    behind = torch.tensor([[(0., 0, .0011), (8., 0, 1), (0, 8., 1)]])
    assert (zbuffer(behind, torch.tensor([[0, 1, 2]]), (8, 8))[0] == 0).any()


@pytest.mark.parametrize('shift', [0., 300., 1e5])
def test_large_coordinates(kernels, shift):
    corner = torch.tensor([[-1., -1, 1], [1, -2, 3], [0, 1.5, 2]])
    points = torch.stack([corner * torch.tensor([scale, scale, 1]) + torch.tensor([shift, -shift, 0.])
                          for scale in (1e2, 1e5, 1e7, 1e12, 1e18, 1e25)]).view(1, -1, 3)
    for perspective in (True, False):
        assert_plain(points, torch.arange(18).view(-1, 3).flip(0), (9, 7), perspective)


def test_each_mesh_has_its_own_picture(kernels):
    points, faces = soup(5, 60, (20, 30), 5.)
    together = zbuffer(points, faces, (20, 30))
    for mesh in range(5):
        for part, alone in zip(together, zbuffer(points[mesh:mesh + 1], faces, (20, 30))):
            assert torch.equal(part[mesh:mesh + 1], alone)


@pytest.mark.parametrize('batch', [1, 2, 5])
def test_one_thread_equals_many(kernels, batch):
    points, faces = soup(batch, 60, (5, 30), 5.)
    expected, num_threads = zbuffer(points, faces, (5, 30)), torch.get_num_threads()
    try:
        for count in (2, 3, 9):
            torch.set_num_threads(count)
            assert all(map(torch.equal, zbuffer(points, faces, (5, 30)), expected))
    finally:
        torch.set_num_threads(num_threads)


def test_chunks_change_nothing(monkeypatch):
    points, faces = soup(2, 60, (20, 30), 5.)
    with reference_kernels():
        whole = zbuffer(points, faces, (20, 30))
        monkeypatch.setattr(rasterize, '_CHUNK', 50)
        assert all(map(torch.equal, zbuffer(points, faces, (20, 30)), whole))


def test_strided_tensors_and_gradients(kernels):
    points, faces = soup(2, 30, (12, 12), 4.)
    strided = points.transpose(0, 2).contiguous().transpose(0, 2).requires_grad_()
    found = zbuffer(strided, faces.T.contiguous().T, (12, 12))
    assert all(map(torch.equal, found, zbuffer(points, faces, (12, 12))))
    assert not found[1].requires_grad


@pytest.mark.parametrize(('batch', 'num_vertices', 'num_faces'), [(0, 9, 3), (2, 9, 0), (2, 0, 0), (0, 0, 0)])
def test_nothing_to_draw(kernels, batch, num_vertices, num_faces):
    faces = torch.arange(3 * num_faces).view(-1, 3)
    face_index, depth = zbuffer(torch.rand(batch, num_vertices, 3), faces, (4, 5))
    assert face_index.shape == depth.shape == (batch, 4, 5)
    assert (face_index == -1).all()
    assert depth.isinf().all()


def test_a_body():
    """Native = reference on a body that walks."""
    if native_library(torch.device('cpu')) is None:
        pytest.skip('the native kernels are not built')
    body = PrismBody()
    vertices = body.pose([BodyShape(), BodyShape()], [Gait(0.), Gait(1.)])
    camera = PinholeCamera(look_rotation(.5, .1), torch.tensor([1.7, -3., 1.2]), (32., 64.), 150.)
    points = camera.project(vertices)
    native = zbuffer(points, body.faces, (128, 64))
    with reference_kernels():
        reference = zbuffer(points, body.faces, (128, 64))
    assert (native[0] >= 0).float().mean() > .05
    assert all(map(torch.equal, native, reference))


@pytest.mark.parametrize(('changes', 'text'), [
    ({'points': torch.rand(4, 3)}, r'points must have shape \(B, V, 3\) and be float32, got \(4, 3\) torch.float32'),
    ({'points': torch.rand(1, 4, 3).double()}, r'got \(1, 4, 3\) torch.float64'),
    ({'faces': torch.zeros(1, 4).long()}, r'faces must have shape \(F, 3\) and be int64 on cpu, got \(1, 4\)'),
    ({'faces': torch.zeros(1, 3).int()}, r'got \(1, 3\) torch.int32 on cpu; split polygons'),
    ({'faces': torch.tensor([[0, 1, 4]])}, r'faces must be in 0...3, got 0 to 4; do they belong to other points\?'),
    ({'faces': torch.tensor([[-1, 1, 2]])}, 'got -1 to 2'),
    ({'image_size': (0, 4)}, r'image_size must be \(height, width\), both positive, got \(0, 4\)'),
])
def test_bad_input(changes, text):
    with pytest.raises(ValueError, match=text):
        zbuffer(**{**dict(points=torch.rand(1, 4, 3), faces=torch.tensor([[0, 1, 2]]), image_size=(4, 4)), **changes})
