"""Projection against numbers worked out by hand."""

import math

import pytest
import torch

from pedsearch.mesh.cameras import OrthographicCamera, PinholeCamera, look_rotation


def test_pinhole_by_hand():
    """Camera 2 m high looking along +y: 1 m right and 0.5 m above it at 4 m, with focal 100."""
    camera = PinholeCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, 0.0, 2.0]), (50.0, 40.0), 100.0)
    point = camera.project(torch.tensor([1.0, 4.0, 2.5]))
    torch.testing.assert_close(point, torch.tensor([50 + 25.0, 40 - 12.5, 4.0]))


def test_orthographic_ignores_distance():
    camera = OrthographicCamera(look_rotation(0.0, 0.0), torch.zeros(3), (10.0, 10.0), 8.0)
    points = camera.project(torch.tensor([[0.5, 1.0, -0.25], [0.5, 9.0, -0.25]]))
    torch.testing.assert_close(points, torch.tensor([[14.0, 12.0, 1.0], [14.0, 12.0, 9.0]]))


def test_yaw_turns_left_and_pitch_down():
    right, down, forward = look_rotation(math.pi / 2, 0.0)
    torch.testing.assert_close(forward, torch.tensor([-1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(right, torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(down, torch.tensor([0.0, 0.0, -1.0]), atol=1e-6, rtol=0)
    assert float(look_rotation(0.0, 0.3)[2, 2]) == pytest.approx(-math.sin(0.3))


@pytest.mark.parametrize(('yaw', 'pitch'), [(0.0, 0.0), (0.8, 0.4), (-2.0, -0.3)])
def test_axes_are_a_right_handed_rotation(yaw, pitch):
    rotation = look_rotation(yaw, pitch)
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-6, rtol=0)
    assert float(torch.det(rotation)) == pytest.approx(1.0, abs=1e-5)


def test_rays_undo_the_projection():
    camera = PinholeCamera(look_rotation(0.4, 0.3), torch.tensor([1.0, 2.0, 3.0]), (6.0, 4.0), 9.0)
    rays = camera.rays(8, 12)
    points = camera.project(camera.position + 7 * rays)
    torch.testing.assert_close(points[..., 2], torch.full((8, 12), 7.0))
    torch.testing.assert_close(points[3, 5, :2], torch.tensor([5.5, 3.5]), atol=1e-5, rtol=0)


def test_resized_scales_pixels():
    camera = PinholeCamera(look_rotation(0.4, 0.3), torch.tensor([1.0, 2.0, 3.0]), (6.0, 4.0), 9.0)
    point = torch.tensor([0.5, 6.0, 2.0])
    torch.testing.assert_close(camera.resized(2).project(point)[:2], 2 * camera.project(point)[:2])
