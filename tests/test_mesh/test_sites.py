"""Places against closed-form geometry."""

import math

import numpy as np
import pytest
import torch

from pedsearch.mesh.cameras import PinholeCamera, look_rotation
from pedsearch.mesh.props import place_prop
from pedsearch.mesh.sites import FAR, STYLES, build_backdrop, build_site, cast_shadow, develop, shade, soften
from pedsearch.mesh.textures import GROUNDS, SKYLINES

SIZE = (48, 64)
UP = torch.tensor([0.0, 0.0, 1.0])


@pytest.fixture(scope='module')
def site():
    return build_site(STYLES[0], SIZE, (16.0, 30.0), 1, np.random.default_rng(0))


def level_camera():
    return PinholeCamera(look_rotation(0.0, 0.0), torch.tensor([0.0, 0.0, 2.0]), (32.0, 24.0), 40.0)


def test_depth_of_the_ground():
    """A level camera 2 m up: the ground at pixel y lies at depth 2 f / (y - horizon)."""
    backdrop = build_backdrop(level_camera(), SIZE, STYLES[1], [], UP, seed=0)
    for row in (34, 40, 47):
        assert backdrop.is_ground[row].all()
        assert float(backdrop.depth[row, 10]) == pytest.approx(2.0 * 40 / (row + 0.5 - 24), rel=1e-5)


def test_skyline_stands_where_it_should():
    """Houses meet the ground where it reaches their distance, and the sky is behind everything."""
    backdrop = build_backdrop(level_camera(), SIZE, STYLES[1], [], UP, seed=0)
    distance = STYLES[1].skyline_distance
    foot = 24 + 2.0 * 40 / distance
    column = backdrop.depth[:, 5]
    assert float(column[math.ceil(foot + 0.5)]) < distance
    assert float(column[math.floor(foot - 1.5)]) == pytest.approx(distance)
    assert (backdrop.depth[backdrop.is_sky] == FAR).all()
    assert not (backdrop.is_sky & backdrop.is_ground).any()


def test_props_hide_and_darken_the_ground():
    sun = torch.nn.functional.normalize(torch.tensor([0.6, 0.0, 0.8]), dim=0)
    props = place_prop('bollard', 0.0, 5.0, 0.0, np.random.default_rng(0))
    camera, size = level_camera().resized(4), (192, 256)
    bare = build_backdrop(camera, size, STYLES[1], [], sun, seed=0)
    filled = build_backdrop(camera, size, STYLES[1], props, sun, seed=0)
    changed = filled.depth != bare.depth
    assert changed.any()
    assert (filled.depth[changed] < bare.depth[changed]).all()
    rows, cols = changed.nonzero().unbind(1)
    assert abs(float(cols.float().mean()) - 127.5) < 1  # straight ahead
    shadow = filled.sunlit < 0.9
    assert float(shadow.nonzero()[:, 1].float().mean()) < 120  # the sun stands right, the shadow falls left


def test_the_nearer_prop_wins_in_any_order():
    rng = np.random.default_rng(0)
    props = place_prop('bollard', 0.0, 5.0, 0.0, rng) + place_prop('car', 0.3, 9.0, 0.0, rng)
    first, second = (
        build_backdrop(level_camera(), SIZE, STYLES[1], order, UP, seed=0) for order in (props, props[::-1])
    )
    assert torch.equal(first.depth, second.depth)
    assert torch.equal(first.albedo, second.albedo)


def test_shadow_of_a_pole_top():
    """Sun at 45 degrees from the right: a point 1 m up lands 1 m to the left."""
    sun = torch.tensor([math.sqrt(0.5), 0.0, math.sqrt(0.5)])
    torch.testing.assert_close(cast_shadow(torch.tensor([3.0, 4.0, 1.0]), sun)[:2], torch.tensor([2.0, 4.0]))


def test_walk_spans_the_asked_sizes(site):
    """At the near and far end an adult covers the configured pixels."""
    near, far = site.depth_range
    for distance, pixels in ((far, 16.0), (near, 30.0)):
        assert site.camera.focal * 1.75 / distance == pytest.approx(pixels)
    feet = site.camera.project(torch.tensor([[0.0, near, 0.0], [0.0, far, 0.0]]))
    assert 0.9 * SIZE[0] < float(feet[0, 1]) < SIZE[0]
    assert float(feet[1, 1]) < float(feet[0, 1])


def test_obstacles_are_not_free_ground(site):
    assert site.obstacles
    x, y, radius = site.obstacles[0]
    assert not site.is_free(x, y, 0.3)
    assert site.is_free(x + 50, y, 0.3)


def test_shade_by_hand(site):
    """Facing the sun in the open: albedo x (sun + sky x (0.7 + 0.3 n_z)); in full shadow only the sky."""
    sun_color = torch.tensor([1.0, 0.9, 0.8])
    albedo, normal = torch.tensor([[0.5, 0.5, 0.5]]), site.sun[None]
    sky = site.sky_color * (0.7 + 0.3 * site.sun[2])
    torch.testing.assert_close(shade(albedo, normal, site, sun_color), 0.5 * (sun_color + sky)[None])
    torch.testing.assert_close(shade(albedo, normal, site, sun_color, torch.zeros(1)), 0.5 * sky[None])
    torch.testing.assert_close(
        shade(albedo, normal, site, sun_color, torch.zeros(1), torch.zeros(1)), torch.zeros(1, 3)
    )


def test_soften_equals_the_slow_mean():
    image = torch.rand(9, 11, generator=torch.Generator().manual_seed(0))
    slow = torch.zeros(9, 11)
    for row in range(9):
        for col in range(11):
            slow[row, col] = image[max(row - 2, 0) : row + 3, max(col - 2, 0) : col + 3].mean()
    torch.testing.assert_close(soften(image, 5), slow)


def test_develop_is_monotone_and_seeded(site):
    dark, bright = (torch.full((*SIZE, 3), value) for value in (0.1, 0.5))
    first = develop(dark, site, 1, np.random.default_rng(1))
    assert first.shape == (*SIZE, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, develop(dark, site, 1, np.random.default_rng(1)))
    assert first.mean() + 40 < develop(bright, site, 1, np.random.default_rng(1)).mean()


def test_styles_name_what_exists():
    for style in STYLES:
        assert style.ground in GROUNDS
        assert style.skyline in SKYLINES
