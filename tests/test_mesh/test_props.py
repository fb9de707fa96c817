"""Static things against closed-form solids."""

import itertools
import math

import numpy as np
import pytest
import torch

from pedsearch.mesh.props import PROPS, box, cylinder, place_prop
from pedsearch.mesh.renderers import vertex_normals

from .plain_geometry import is_closed, signed_volume


def test_box_by_hand():
    low, high = (-1.0, 0.0, 2.0), (1.0, 3.0, 6.0)
    vertices, faces = box(low, high)
    assert is_closed(vertices, faces)
    assert signed_volume(vertices, faces) == pytest.approx(2 * 3 * 4)
    corners = {(x, y, z) for x in (-1, 1) for y in (0, 3) for z in (2, 6)}
    assert [tuple(corner) for corner in sorted(vertices.tolist())] == sorted([*corners] * 3)


def test_edges_of_a_box_are_sharp():
    """No vertex belongs to two sides: every normal points along one axis."""
    vertices, faces = box((0.0, 0.0, 0.0), (1.0, 2.0, 3.0))
    normals = vertex_normals(vertices[None], faces)[0]
    torch.testing.assert_close(normals.abs().sort(1).values, torch.tensor([[0.0, 0.0, 1.0]]).expand(24, 3))


def test_tube_by_hand():
    """Points on the circle, and the normals lead away from the axis."""
    vertices, faces = cylinder(2.0, -1.0, 0.5, 0.25, 4.0)
    away = (vertices - torch.tensor([2.0, -1.0, 0.0])) * torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(away.norm(dim=1), torch.full((28,), 0.5))
    assert sorted(vertices[:, 2].tolist()) == [0.25] * 14 + [4.0] * 14
    a, b, c = vertices[faces].unbind(1)
    # 14 flat strips, each 2 r sin(pi / 14) wide
    area = torch.linalg.cross(b - a, c - a).norm(dim=1).sum() / 2
    assert float(area) == pytest.approx(14 * 2 * 0.5 * math.sin(math.pi / 14) * 3.75, rel=1e-5)
    normals = vertex_normals(vertices[None], faces)[0]
    torch.testing.assert_close((normals * away).sum(1), torch.full((28,), 0.5), atol=5e-3, rtol=0)


@pytest.mark.parametrize('name', sorted(PROPS))
def test_props_stand_on_the_ground(name):
    parts = place_prop(name, 3.0, 8.0, 0.4, np.random.default_rng(0))
    low = min(float(part.vertices[:, 2].min()) for part in parts)
    assert -0.35 < low < 0.3
    center = torch.cat([part.vertices for part in parts])[:, :2].mean(0)
    assert float((center - torch.tensor([3.0, 8.0])).norm()) < 0.8


@pytest.mark.parametrize('name', sorted(PROPS))
def test_turned_and_moved_equals_the_slow_loop(name):
    turn, x, y = 0.7, -2.0, 6.0
    plain = place_prop(name, 0.0, 0.0, 0.0, np.random.default_rng(3))
    placed = place_prop(name, x, y, turn, np.random.default_rng(3))
    for before, after in zip(plain, placed, strict=True):
        assert torch.equal(before.faces, after.faces)
        assert before.color == after.color
        assert after.footprint == (x, y, PROPS[name][1])
        slow = [
            (x + math.cos(turn) * px - math.sin(turn) * py, y + math.sin(turn) * px + math.cos(turn) * py, pz)
            for px, py, pz in before.vertices.tolist()
        ]
        torch.testing.assert_close(after.vertices, torch.tensor(slow), atol=1e-5, rtol=0)


@pytest.mark.parametrize('name', sorted(PROPS))
def test_parts_are_meshes_with_a_colour(name):
    seeds = (
        place_prop(name, 3.0, 8.0, 0.4, np.random.default_rng(seed)) for seed in range(12)
    )  # a car has five colours
    for part in itertools.chain.from_iterable(seeds):
        assert part.vertices.dtype == torch.float32
        assert torch.isfinite(part.vertices).all()
        assert part.faces.unique().tolist() == list(range(len(part.vertices)))
        assert len(part.color) == 3
        assert all(0 <= value <= 1 for value in part.color)


@pytest.mark.parametrize('name', sorted(PROPS))
def test_nobody_can_stand_inside(name):
    """People keep 0.3 m off a footprint, which clears what a thing holds below shoulder height but the outer twigs of a bush."""
    x, y, radius = place_prop(name, 3.0, 8.0, 0.4, np.random.default_rng(0))[0].footprint
    for seed in range(4):
        points = torch.cat([part.vertices for part in place_prop(name, x, y, 0.4, np.random.default_rng(seed))])
        trunk = points[points[:, 2] < 1.5]
        reach = (trunk[:, :2] - torch.tensor([x, y])).norm(dim=1)
        assert float((reach < radius + 0.3).float().mean()) > 0.9


def test_what_is_random_is_seeded():
    for name in PROPS:
        first, again, other = (place_prop(name, 0.0, 9.0, 0.0, np.random.default_rng(seed)) for seed in (0, 0, 1))
        assert all(
            torch.equal(a.vertices, b.vertices) and a.color == b.color for a, b in zip(first, again, strict=True)
        )
        same = all(
            torch.equal(a.vertices, b.vertices) and a.color == b.color for a, b in zip(first, other, strict=True)
        )
        assert same == (name in ('lamp', 'bollard', 'bench'))
