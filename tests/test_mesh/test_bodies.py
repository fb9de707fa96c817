"""Posing against slow skinning and against what a walk must keep."""

import importlib.util
import math

import pytest
import torch

from pedsearch.mesh.anny_body import AnnyBody
from pedsearch.mesh.bodies import BodyPart, BodyShape, Gait, attach, gait_angles, rotation_matrix, skin
from pedsearch.mesh.prism_body import PrismBody

from .plain_geometry import signed_volume

needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')

BODIES = [PrismBody, pytest.param(AnnyBody, marks=needs_anny)]


@pytest.fixture(scope='module', params=BODIES)
def body(request):
    return request.param()


def test_skin_equals_the_slow_loop():
    generator = torch.Generator().manual_seed(0)
    rest = torch.randn(2, 5, 3, generator=generator)
    weights = torch.rand(5, 4, generator=generator)
    transforms = torch.randn(2, 4, 4, 4, generator=generator)
    slow = torch.zeros(2, 5, 3)
    for b in range(2):
        for v in range(5):
            for j in range(4):
                slow[b, v] += weights[v, j] * (transforms[b, j, :3, :3] @ rest[b, v] + transforms[b, j, :3, 3])
    torch.testing.assert_close(skin(rest, weights, transforms), slow)


def test_rotation_matrix_by_hand():
    quarter = rotation_matrix(torch.tensor([0.0, 0.0, 1.0]), torch.tensor([math.pi / 2]))[0]
    torch.testing.assert_close(quarter @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)


def test_gait_is_periodic_and_opposite():
    phase = torch.linspace(0, 2 * math.pi, 50)
    stride = torch.ones(50)
    now, later = gait_angles(phase, stride), gait_angles(phase + 2 * math.pi, stride)
    for name, angle in now.items():
        torch.testing.assert_close(angle, later[name], atol=1e-5, rtol=0)
    # The arm swings against the leg of its side, and knees bend only backwards.
    assert float(torch.corrcoef(torch.stack((now['hip'], now['shoulder'])))[0, 1]) < -0.99
    assert float(now['knee'].min()) > 0


def test_stands_on_the_ground_facing_the_viewer(body):
    shapes = [BodyShape(height=0.3), BodyShape(height=0.6)]
    vertices = body.pose(shapes, [Gait(0.4, 0.0)] * 2)
    torch.testing.assert_close(vertices[..., 2].amin(1), torch.zeros(2), atol=1e-5, rtol=0)
    tall = vertices[..., 2].amax(1)
    assert 1.4 < float(tall[0]) < float(tall[1]) < 2.3
    feet = vertices[0, body.rest.parts == BodyPart.FOOT]
    shins = vertices[0, body.rest.parts == BodyPart.LOWER_LEG]
    assert float(feet[:, 1].min()) < float(shins[:, 1].min()) - 0.05  # toes point to -y
    assert signed_volume(vertices[0], body.faces) > 0.03  # cubic metres, positive: triangles face outward


def test_arms_hang(body):
    """Hands end below the elbows and close to the body, not out as at rest."""
    vertices = body.pose([BodyShape()], [Gait(0.0, 0.0)])[0]
    hand = vertices[body.rest.parts == BodyPart.HAND]
    upper = vertices[body.rest.parts == BodyPart.UPPER_ARM]
    assert float(hand[:, 2].mean()) < float(upper[:, 2].mean()) - 0.25
    assert float(hand[:, 0].abs().max()) < 0.45


def test_half_a_cycle_mirrors_the_body(body):
    """Left and right swap after half a cycle."""
    first, second = body.pose([BodyShape()] * 2, [Gait(0.7), Gait(0.7 + math.pi)])
    mirrored = second * torch.tensor([-1.0, 1.0, 1.0])
    gap = torch.cdist(first[::7], mirrored).amin(1)
    assert float(gap.max()) < 0.02
    left = body.rest.vertices[:, 0] > 0.02
    foot = (body.rest.parts == BodyPart.FOOT) & left
    stride = abs(float(first[foot, 1].mean() - second[foot, 1].mean()))
    assert stride > 0.2  # metres


def test_attachment_follows_its_carrier(body):
    """A point on the crown stays on the crown, whoever wears it and however it walks."""
    crown = body.rest.vertices[body.rest.vertices[:, 2].argmax()][None]
    hat = attach(body, crown, ('head',))
    shapes = [BodyShape(height=0.3, weight=0.2), BodyShape(height=0.6, weight=0.8)]
    posed = body.pose(shapes, [Gait(1.0), Gait(4.0)], [hat])
    crowns = posed[:, body.rest.vertices[:, 2].argmax()]
    assert float((posed[:, -1] - crowns).norm(dim=1).max()) < 0.03


def test_every_part_is_there(body):
    assert set(body.rest.parts.tolist()) == set(map(int, BodyPart))
    z = body.rest.vertices[:, 2]
    assert float(z.min()) == pytest.approx(0.0, abs=1e-5)
    assert float(z.max()) == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(body.weights.sum(1), torch.ones(len(z)), atol=1e-4, rtol=0)


def test_lists_of_different_length(body):
    with pytest.raises(ValueError, match='expected one gait per shape, got 2 shapes and 1 gaits'):
        body.pose([BodyShape()] * 2, [Gait(0.0)])
