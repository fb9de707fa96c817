"""Rotation and cameras against numbers worked out by hand and against a plain loop."""

import math

import pytest
import torch

from pedsearch.mesh.person_meshes import PersonMeshes, perspective_from_weak, turn

CORNERS = torch.tensor([[1.0, 0, 0], [0, 2, 0], [0, 0, 3], [1, 1, 1]], dtype=torch.float64)
FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def people(vertices, **changes):
    batch = len(vertices)
    fields = dict(
        focal=torch.full((batch,), 500.0), principal=torch.tensor([[32.0, 64.0]]).repeat(batch, 1),
        photo_size=torch.tensor([[128.0, 64.0]]).repeat(batch, 1),
    )  # fmt: skip
    return PersonMeshes(vertices, FACES, **{**fields, **changes})


def test_no_turn_and_whole_turns_return_the_mesh():
    """T1: 0 degrees, eight turns of 45 degrees, two of 180."""
    mesh = people(CORNERS[None])
    for angle, times, tolerance in ((0.0, 1, 0.0), (45.0, 8, 2e-15), (180.0, 2, 2e-15)):
        turned = mesh
        for _ in range(times):
            turned = turned.turned(torch.tensor([math.radians(angle)], dtype=torch.float64))
        torch.testing.assert_close(turned.vertices, mesh.vertices, atol=tolerance, rtol=0)


def test_turns_worked_out_by_hand():
    """T2, about the mean of the vertices (0.5, 0.75, 1)."""
    mesh = people(CORNERS[None])
    quarter = mesh.turned(torch.tensor([math.pi / 2], dtype=torch.float64)).vertices[0]
    expected = [[1.5, 0, 1.5], [1.5, 2, 0.5], [-1.5, 0, 0.5], [0.5, 1, 1.5]]
    torch.testing.assert_close(quarter, torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0)
    eighth = mesh.turned(torch.tensor([math.pi / 4], dtype=torch.float64)).vertices[0]
    first = torch.tensor([1.560660172, 0, 0.646446609], dtype=torch.float64)
    torch.testing.assert_close(eighth[0], first, atol=1e-9, rtol=0)
    for turned in (quarter, eighth):
        torch.testing.assert_close(turned.mean(0), CORNERS.mean(0), atol=1e-12, rtol=0)
        torch.testing.assert_close(turned[:, 1], CORNERS[:, 1], atol=0, rtol=0)


def test_each_person_turns_about_a_vertical_of_his_own():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3, 5, 3, generator=generator, dtype=torch.float64)
    axis = torch.nn.functional.normalize(torch.randn(3, 3, generator=generator, dtype=torch.float64), dim=1)
    angles = torch.tensor([0.3, -1.0, 2.5], dtype=torch.float64)
    centre = points.mean(1)
    found = turn(points, angles, axis, centre)
    for number in range(3):
        x, y, z = axis[number].tolist()
        generator_matrix = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
        rotation = torch.linalg.matrix_exp(angles[number] * generator_matrix)
        expected = (points[number] - centre[number]) @ rotation.T + centre[number]
        torch.testing.assert_close(found[number], expected)


def test_the_camera_of_an_estimator_worked_out_by_hand():
    """T3: in the 224 crop and in the photo of 128 x 64 from which it was resized by 1.75."""
    camera, vertex = torch.tensor([[0.9, 0.02, 0.03]], dtype=torch.float64), torch.tensor([0.1, -0.2, 0.05])
    translation, focal, principal = perspective_from_weak(camera, torch.tensor([[128, 64]]))
    assert float(translation[0, 2]) == pytest.approx(4.96031746, abs=1e-8)
    assert float(focal) == pytest.approx(285.714286, abs=1e-6)
    assert principal.tolist() == [[32.0, 64.0]]
    vertices = (vertex + translation)[:, None]
    size = torch.tensor([[128.0, 64.0]])
    mesh = PersonMeshes(vertices, FACES, focal, principal, size)
    x, y, depth = mesh.project((128, 64))[0, 0].tolist()
    assert (x, y) == pytest.approx((38.843022, 54.305718), abs=1e-6)
    assert depth == pytest.approx(5.01031746, abs=1e-6)

    translation, focal, principal = perspective_from_weak(camera, torch.tensor([[224, 224]]))
    crop = PersonMeshes((vertex + translation)[:, None], FACES, focal, principal, torch.tensor([[224.0, 224.0]]))
    u, v, _ = crop.project((224, 224))[0, 0].tolist()
    assert (u, v) == pytest.approx((123.975289, 95.035007), abs=1e-6)
    assert (x, y) == pytest.approx(((u - 112) / 1.75 + 32, (v - 112) / 1.75 + 64), abs=1e-9)


def test_a_crop_elsewhere_moves_the_camera():
    camera = torch.tensor([[0.8, 0.0, 0.0]])
    given = perspective_from_weak(camera, torch.tensor([[100, 50]]), torch.tensor([2.0]), torch.tensor([[10.0, 20.0]]))
    assert float(given[1]) == 250.0
    assert given[2].tolist() == [[10.0, 20.0]]


def test_a_picture_of_another_size_shows_the_whole_photo():
    """Also with other proportions: each coordinate is scaled by itself, depth not at all."""
    mesh = people(torch.tensor([[[0.1, -0.2, 4.0], [0.3, 0.5, 6.0]]]))
    photo, picture = mesh.project((128, 64)), mesh.project((256, 96))
    torch.testing.assert_close(picture, photo * torch.tensor([1.5, 2.0, 1.0]))
    torch.testing.assert_close(photo[0, 0], torch.tensor([32 + 500 * 0.1 / 4, 64 - 500 * 0.2 / 4, 4.0]))


def test_points_behind_the_camera_stay_finite():
    assert bool(torch.isfinite(people(torch.tensor([[[1.0, 1.0, 0.0], [1.0, 1.0, -2.0]]])).project((128, 64))).all())


def test_defaults_and_picking():
    mesh = people(torch.randn(3, 4, 3))
    assert mesh.valid.all()
    assert mesh.up.tolist() == [[0, -1, 0]] * 3
    picked = mesh[[2, 0]]
    assert len(picked) == 2
    torch.testing.assert_close(picked.vertices, mesh.vertices[[2, 0]])


def test_errors():
    with pytest.raises(ValueError, match=r'vertices must have shape \(B, V, 3\), got \(4, 3\); add a batch axis'):
        people(CORNERS)
    with pytest.raises(ValueError, match=r'focal must have shape \(1,\) for 1 people, got \(2,\)'):
        people(CORNERS[None], focal=torch.ones(2))
    with pytest.raises(ValueError, match=r'angles must have shape \(1,\), got \(2,\)'):
        people(CORNERS[None]).turned(torch.zeros(2))
    with pytest.raises(ValueError, match='camera scales must be > 0, got a lowest of 0.0'):
        perspective_from_weak(torch.zeros(1, 3), torch.tensor([[128, 64]]))
    with pytest.raises(ValueError, match=r'camera must have shape \(B, 3\), got \(1, 4\)'):
        perspective_from_weak(torch.ones(1, 4), torch.tensor([[128, 64]]))
