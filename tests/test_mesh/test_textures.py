"""Colours of the world against slow loops and against what the patterns are made of."""

import math

import pytest
import torch

from pedsearch.mesh.textures import GROUNDS, SKYLINES, lattice_noise, layered_noise, sky


def random_points(count, low, high, seed=0):
    return low + (high - low) * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed))


def slow_corner(ix, iy, seed):
    h = ix * 374761393 + iy * 668265263 + seed * 974634777
    h = ((h ^ (h >> 13)) * 1274126177) & 0x7FFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) / 0xFFFF


def slow_noise(x, y, seed):
    ix, iy = math.floor(x), math.floor(y)
    u, v = (part * part * (3 - 2 * part) for part in (x - ix, y - iy))
    total = 0
    for dx, across in ((0, 1 - u), (1, u)):
        for dy, along in ((0, 1 - v), (1, v)):
            total += across * along * slow_corner(ix + dx, iy + dy, seed)
    return total


def test_noise_is_smooth_and_bounded():
    points = torch.rand(500, 2, generator=torch.Generator().manual_seed(0)) * 40 - 20
    value = lattice_noise(points, 3)
    assert float(value.min()) >= 0
    assert float(value.max()) <= 1
    assert float(value.std()) > 0.1
    assert float((lattice_noise(points + 1e-3, 3) - value).abs().max()) < 0.01
    assert float((lattice_noise(points, 4) - value).abs().mean()) > 0.1
    assert 0 <= float(layered_noise(points, 3).min()) <= float(layered_noise(points, 3).max()) <= 1


@pytest.mark.parametrize('seed', [0, 7, 1007])
def test_noise_equals_the_slow_loop(seed):
    """Integers of any size: the pictures of a seed are the same for ever."""
    points = random_points(200, -40, 40)
    slow = torch.tensor([slow_noise(x, y, seed) for x, y in points.tolist()])
    torch.testing.assert_close(lattice_noise(points, seed), slow, atol=2e-5, rtol=0)


def test_noise_between_four_corners_is_their_mean():
    cell = torch.tensor([[3.0, -2.0]])
    corners = [lattice_noise(cell + torch.tensor([dx, dy]), 5) for dx in (0.0, 1.0) for dy in (0.0, 1.0)]
    torch.testing.assert_close(lattice_noise(cell + 0.5, 5), sum(corners) / 4)


@pytest.mark.parametrize('octaves', [1, 2, 4])
def test_layers_equal_the_slow_sum(octaves):
    """Each layer twice as fine and half as strong, of a pattern of its own; strengths add up to one."""
    points = random_points(50, -3, 3)
    strength = sum(0.5**k for k in range(octaves))
    slow = [
        sum(0.5**k * slow_noise(x * 2**k, y * 2**k, 4 + k) for k in range(octaves)) / strength
        for x, y in points.tolist()
    ]
    torch.testing.assert_close(layered_noise(points, 4, octaves), torch.tensor(slow), atol=2e-5, rtol=0)


@pytest.mark.parametrize('name', sorted(GROUNDS))
def test_grounds_are_colours(name):
    points = torch.rand(300, 2, generator=torch.Generator().manual_seed(0)) * 30
    color = GROUNDS[name](points, 5)
    assert color.shape == (300, 3)
    assert -0.01 < float(color.min()) < float(color.max()) <= 1.05
    assert float(color.std(0).max()) > 0.01


@pytest.mark.parametrize('name', sorted(SKYLINES))
def test_skylines_end(name):
    along = torch.linspace(-30, 30, 200)
    assert SKYLINES[name](along, torch.full_like(along, 0.5), 1)[1].all()
    assert not SKYLINES[name](along, torch.full_like(along, 20.0), 1)[1].any()


@pytest.mark.parametrize('name', sorted(GROUNDS))
def test_grounds_have_no_raster(name):
    """A point has its colour whatever is asked with it and in whatever shape; another seed is another ground."""
    points = random_points(24, -15, 25)
    color = GROUNDS[name](points, 5)
    torch.testing.assert_close(GROUNDS[name](points.view(4, 6, 2), 5), color.view(4, 6, 3))
    torch.testing.assert_close(GROUNDS[name](points[7], 5), color[7])
    assert float((GROUNDS[name](points, 6) - color).abs().max()) > 0.01


def test_slabs_lie_in_a_running_bond():
    """1 m x 0.8 m, every other row shifted by half a slab, 35 mm of darker joint."""
    points = random_points(400, -6, 6, seed=1)
    joint = []
    for x, y in points.tolist():
        row = math.floor(y / 0.8)
        shift = 0.5 if row % 2 else 0.0
        joint.append((x + shift) % 1.0 < 0.035 or y % 0.8 < 0.035)
    joint = torch.tensor(joint)
    assert 10 < int(joint.sum()) < 80
    tone = GROUNDS['slabs'](points, 5)[:, 0]  # between 0.5 and 0.7, 0.68 of that in a joint
    assert float(tone[joint].max()) < 0.49 < float(tone[~joint].min())


def test_terrazzo_is_a_chessboard():
    """Fields of 1.2 m, in two tones 0.2 apart with 0.05 of speckle either way; the seams are a quarter darker."""
    points = random_points(400, -8, 8, seed=1)
    blue = GROUNDS['terrazzo'](points, 5)[:, 2].tolist()
    seams = 0
    for (x, y), value in zip(points.tolist(), blue, strict=True):
        tone = 0.46 + 0.2 * ((math.floor(x / 1.2) + math.floor(y / 1.2)) % 2)
        seam = min(x % 1.2, y % 1.2) < 0.02
        seams += seam
        assert value / (0.75 if seam else 1.0) == pytest.approx(tone, abs=0.0501)
    assert seams > 3


def test_asphalt_carries_a_crossing_and_a_line():
    """White paint, here and there worn off, only on the zebra around 9.5 m and the broken line at 13.6 m."""
    points = random_points(3000, 0, 20, seed=1)
    x, y = points.unbind(1)
    color = GROUNDS['asphalt'](points, 5)
    paint = (color == 0.80).all(1)
    zebra = ((y - 9.5).abs() < 1.3) & (x.remainder(1.1) < 0.55)
    line = ((y - 13.6).abs() < 0.09) & (x.remainder(2.4) < 1.5)
    assert not paint[~zebra & ~line].any()
    assert 0.7 < float(paint[zebra].float().mean()) <= 1
    assert paint[line].any()
    assert float(color[~paint].max()) < 0.46


def test_a_path_leads_through_the_lawn():
    """Red gravel within 2.6 to 3.1 m of a line that drifts to the right, green grass beside it."""
    points = random_points(1000, -20, 20, seed=1)
    off = (points[:, 0] - 0.12 * (points[:, 1] - 9)).abs()
    red, green, _ = GROUNDS['lawn'](points, 5).unbind(1)
    assert (red > green)[off < 2.6].all()
    assert (red < green)[off > 3.1].all()
    assert int((off < 2.6).sum()) > 50


def tops(name, along, seed):
    """Height of a skyline by a scan from the ground, in steps of 5 cm."""
    up = torch.arange(0, 15, 0.05)
    solid = SKYLINES[name](along[:, None].expand(-1, len(up)), up.expand(len(along), -1), seed)[1]
    count = solid.sum(1)
    assert all(row[:number].all() for row, number in zip(solid, count.tolist(), strict=True))  # no gaps
    return 0.05 * count


def test_every_house_has_one_roof():
    """With seed 0 a house begins every 7.5 m; its storeys are 3.2 m high on 4.1 to 4.6 m."""
    heights = set()
    for house in range(-4, 5):
        top = tops('houses', 7.5 * house + torch.linspace(0.01, 7.49, 20), 0)
        assert float(top.min()) == float(top.max())
        storeys = (float(top[0]) - 4.1) / 3.2
        assert -0.02 < storeys % 1 < 0.18 or storeys % 1 > 0.98
        heights.add(round(float(top[0]), 2))
    assert len(heights) > 2


def test_houses_have_windows_and_a_plinth():
    """The middle of a window is glass, more blue than red; its frame is light grey, the foot of the wall dark grey."""
    house = 1.0  # an odd one, without a door
    glass, frame, plinth = (
        SKYLINES['houses'](torch.tensor([7.5 * house + u]), torch.tensor([up]), 0)[0][0]
        for u, up in ((0.9, 0.9 + 1.5), (0.6, 0.9 + 1.5), (0.9, 0.2))
    )
    assert float(glass[2]) > float(glass[0]) * 1.3
    torch.testing.assert_close(frame, torch.full((3,), 0.88))
    torch.testing.assert_close(plinth, torch.tensor([0.36, 0.35, 0.34]))


def test_the_wood_has_a_wavy_edge():
    """Between 4.3 m and 2.9 m more, without jumps."""
    along = torch.arange(-20, 20, 0.05)
    top = tops('trees', along, 3)
    assert 4.25 < float(top.min()) < float(top.max()) - 0.8 < 6.5
    assert float(top.diff().abs().max()) < 0.3


def test_sky_is_a_function_of_the_direction():
    rays = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    color = sky(rays, 2)
    torch.testing.assert_close(sky(rays * 7, 2), color, atol=1e-5, rtol=0)
    assert 0.3 < float(color.min()) < float(color.max()) <= 0.97
    assert (color[:, 2] >= color[:, 0]).all()  # blue or white
    assert float((sky(rays, 3) - color).abs().max()) > 0.1


def test_sky_without_clouds_darkens_upwards(monkeypatch):
    """From (0.80, 0.88, 0.96) at the horizon to (0.34, 0.56, 0.88) overhead, by the root of the height."""
    monkeypatch.setattr('pedsearch.mesh.textures.layered_noise', lambda points, *_: torch.zeros(points.shape[:-1]))
    rays = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, -0.3], [0.0, 0.0, 2.0], [0.0, math.sqrt(15) / 4, 0.25]])
    low, high = torch.tensor([0.80, 0.88, 0.96]), torch.tensor([0.34, 0.56, 0.88])
    torch.testing.assert_close(sky(rays, 0), torch.stack((low, low, high, (low + high) / 2)))
