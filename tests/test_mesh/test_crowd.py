"""Where people stand, what they cover and what light they take, against slow counts and hand-made scenes."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from pedsearch.mesh.cameras import PinholeCamera, look_rotation
from pedsearch.mesh.crowd import PERSONAL_SPACE, Drawn, draw_people, drop_hidden, find_spot, ground_light, mask_box
from pedsearch.mesh.renderers import Fragments
from pedsearch.mesh.sites import FAR, Backdrop

SIZE = (192, 256)


@pytest.fixture
def site(small_world):
    """A camera 2 m up that looks along +y over an empty plane; the sun stands high on the right."""
    blank = torch.zeros(*SIZE, 3)
    backdrop = Backdrop(
        albedo=blank, normal=blank, depth=torch.full(SIZE, FAR), is_ground=torch.ones(SIZE, dtype=torch.bool),
        is_sky=torch.zeros(SIZE, dtype=torch.bool), sunlit=torch.ones(SIZE),
    )  # fmt: skip
    camera = PinholeCamera(look_rotation(0.0, 0.3), torch.tensor([0.0, 0.0, 2.0]), (128.0, 96.0), 200.0)
    sun = torch.tensor([0.6, 0.0, 0.8])
    return dataclasses.replace(
        small_world.sites[0], camera=camera, backdrop=backdrop, sun=sun, depth_range=(4.0, 12.0), obstacles=[]
    )


@pytest.fixture
def draw(small_world, site):
    """Draw one person of the small world in a place."""

    def draw_one(position, heading=0.0, number=0):
        visit = dataclasses.replace(small_world.visits('train', number)[0], position=position, heading=heading)
        return draw_people([visit], small_world.body, small_world.wardrobe, site.camera, SIZE)[0]

    return draw_one


def flat(*pixels, depth, total=None):
    """A person without a body who covers some (row, column) at one depth."""
    rows, cols = torch.tensor(pixels).unbind(1)
    zeros = torch.zeros(len(pixels), dtype=torch.long)
    fragments = Fragments(zeros, rows, cols, zeros, torch.zeros(len(pixels), 3), torch.full((len(pixels),), depth))
    none = torch.zeros(0, 3)
    return Drawn(none, none.long(), fragments, total or len(pixels), none, none, none)


# ---- find_spot ------------------------------------------------------------------------------------------------------


def test_spots_are_free_seen_and_apart(site):
    """Every spot against all rules anew, on a ground with things on it that fills up."""
    site = dataclasses.replace(site, obstacles=[(0.0, 6.0, 0.5), (1.5, 9.0, 1.0)])
    count = 0
    for seed in range(12):
        rng, taken = np.random.default_rng(seed), []
        for _ in range(8):
            spot = find_spot(site, taken, rng)
            if spot is None:
                continue
            x, y = spot
            assert 4.0 <= y <= 12.0
            assert abs(x) <= 0.97 * 0.64 * y  # half the view is 128 / 200 of the distance
            assert all(math.dist(spot, (ox, oy)) > radius + 0.3 for ox, oy, radius in site.obstacles)
            for ox, oy in taken:
                assert math.dist(spot, (ox, oy)) >= PERSONAL_SPACE
                assert abs(x / y - ox / oy) >= 0.16 / max(y, oy)  # 0.16 m aside at the further one
            taken.append(spot)
            count += 1
    assert count > 60


def test_sizes_in_the_image_are_uniform(site):
    """Sizes go with 1 / distance: as many people between 1/12 and 1/8 m as between 1/8 and 1/6 m, and so on."""
    rng = np.random.default_rng(0)
    inverse = np.array([1 / find_spot(site, [], rng)[1] for _ in range(1200)])
    counts = np.histogram(inverse, bins=4, range=(1 / 12, 1 / 4))[0]
    assert counts.sum() == 1200
    assert counts.min() > 240  # 300 each, 15 standard deviation


def test_people_gather(site):
    """With somebody there, two in five draws are beside that person instead of anywhere."""
    rng = np.random.default_rng(0)
    near = [math.dist(find_spot(site, [(1.0, 8.0)], rng), (1.0, 8.0)) <= 1.3 for _ in range(300)]
    alone = [math.dist(find_spot(site, [], rng), (1.0, 8.0)) <= 1.3 for _ in range(300)]
    assert 0.2 < np.mean(near) < 0.5
    assert np.mean(alone) < 0.15


def test_no_spot_left(site):
    assert find_spot(dataclasses.replace(site, obstacles=[(0.0, 8.0, 100.0)]), [], np.random.default_rng(0)) is None


# ---- draw_people ----------------------------------------------------------------------------------------------------


def test_nobody(small_world, site):
    assert draw_people([], small_world.body, small_world.wardrobe, site.camera, SIZE) == []
    assert drop_hidden([], torch.full((4, 4), FAR), 0.5) == {}


@pytest.mark.parametrize('heading', [0.0, 0.5 * math.pi, 2.2])
def test_turned_and_placed_equals_the_slow_loop(draw, heading):
    """Headings turn counter-clockwise seen from above: at 90 degrees somebody walks towards +x."""
    plain, placed = draw((0.0, 0.0)).vertices, draw((1.5, 7.0), heading).vertices
    cos, sin = math.cos(heading), math.sin(heading)
    slow = [(1.5 + cos * x - sin * y, 7.0 + sin * x + cos * y, z) for x, y, z in plain.tolist()]
    torch.testing.assert_close(placed, torch.tensor(slow), atol=1e-5, rtol=0)


def test_fragments_are_points_of_the_surface_seen_from_the_front(draw, site):
    person = draw((0.4, 7.0), 1.0)
    fragments = person.fragments
    assert len(fragments) == person.total > 100
    points = fragments.interpolate(person.vertices, person.faces)
    projected = site.camera.project(points)
    torch.testing.assert_close(projected[:, 0], fragments.col + 0.5, atol=1e-2, rtol=0)
    torch.testing.assert_close(projected[:, 1], fragments.row + 0.5, atol=1e-2, rtol=0)
    torch.testing.assert_close(projected[:, 2], fragments.depth, atol=1e-3, rtol=0)
    to_camera = torch.tensor([0.0, 0.0, 2.0]) - points
    torch.testing.assert_close(person.view, to_camera / to_camera.norm(dim=1, keepdim=True), atol=1e-5, rtol=0)
    torch.testing.assert_close(person.normal.norm(dim=1), torch.ones(len(points)), atol=1e-4, rtol=0)
    assert float((person.normal * person.view).sum(1).min()) >= 0
    assert 0 <= float(person.albedo.min()) < float(person.albedo.max()) < 1.2


def test_pieces_that_are_not_worn_are_not_drawn(small_world, draw):
    visit = small_world.visits('train', 0)[0]
    worn = {int(piece) for piece in visit.character.outfit.pieces()}
    count = sum(int(piece) in worn for piece in small_world.wardrobe.pieces)
    assert len(draw((0.0, 7.0)).faces) == count < len(small_world.wardrobe.pieces)


def test_nearer_people_look_larger(small_world):
    visit = small_world.visits('train', 0)[0]
    site = small_world.sites[0]
    size = tuple(site.backdrop.depth.shape)
    heights = []
    for y in site.depth_range:
        moved = dataclasses.replace(visit, position=(0.0, y))
        people = draw_people([moved], small_world.body, small_world.wardrobe, site.camera.resized(2), size)
        mask = torch.zeros(size, dtype=torch.bool)
        mask[people[0].fragments.row, people[0].fragments.col] = True
        box = mask_box(mask, 2)
        heights.append(box[3] - box[1])
    near, far = site.depth_range
    assert heights[0] / heights[1] == pytest.approx(far / near, rel=0.1)


# ---- drop_hidden ----------------------------------------------------------------------------------------------------


def test_visibility_equals_a_slow_count(small_world):
    """Samples where a person is nearest, over all samples of the silhouette, also those beyond the frame."""
    world, checked = small_world, 0
    for index in range(6):
        site = world.sites[index % len(world.sites)]
        size = tuple(site.backdrop.depth.shape)
        people = draw_people(world.visits('train', index), world.body, world.wardrobe, site.camera.resized(2), size)
        stack = torch.full((len(people), *size), torch.inf)
        for i, person in enumerate(people):
            for row, col, depth in zip(
                person.fragments.row.tolist(),
                person.fragments.col.tolist(),
                person.fragments.depth.tolist(),
                strict=True,
            ):
                stack[i, row, col] = depth
        for i, share in drop_hidden(people, site.backdrop.depth, 0.0).items():
            others = torch.cat((stack[:i], stack[i + 1 :], site.backdrop.depth[None])).amin(0)
            seen = (stack[i] <= others) & torch.isfinite(stack[i])
            assert share == pytest.approx(int(seen.sum()) / people[i].total)
            checked += 1
    assert checked > 10


def test_whoever_stands_behind_a_wall_is_taken_out(small_world):
    """A wall just in front of one person, the shape of that person, hides it wholly."""
    site = small_world.sites[0]
    size = tuple(site.backdrop.depth.shape)
    visits = small_world.visits('train', 0)[:2]
    people = draw_people(visits, small_world.body, small_world.wardrobe, site.camera.resized(2), size)
    wall = torch.full(size, FAR)
    pixel = (people[0].fragments.row, people[0].fragments.col)
    wall[pixel] = people[0].fragments.depth - 0.1
    kept = drop_hidden(people, wall, 0.2)
    assert 0 not in kept


def test_the_most_hidden_goes_first_and_no_longer_hides_others():
    """A wall leaves 1 of 4 samples of the first, who hides 2 of 4 of the second; without the first the second is whole."""
    wall = torch.full((2, 8), FAR)
    wall[0, :3] = 1.0
    first, second = flat((0, 0), (0, 1), (0, 2), (0, 3), depth=2.0), flat((0, 3), (1, 3), (1, 4), (1, 5), depth=3.0)
    third = flat((0, 3), (1, 3), depth=4.0)
    assert drop_hidden([first, second], wall, 0.0) == {0: 0.25, 1: 0.75}
    assert drop_hidden([first, second], wall, 0.8) == {1: 1.0}
    assert drop_hidden([first, second, third], wall, 0.8) == {1: 1.0}
    assert drop_hidden([third, second, first], wall, 0.25) == {1: 0.75, 2: 0.25}
    assert drop_hidden([first], wall, 0.3) == {}
    assert float(wall.min()) == 1.0  # the backdrop is not drawn upon
    assert float(wall[0, 3]) == FAR


def test_what_the_frame_cuts_off_counts_as_hidden():
    assert drop_hidden([flat((0, 0), (0, 1), depth=2.0, total=8)], torch.full((2, 8), FAR), 0.0) == {0: 0.25}


def test_clipped_people_count_as_partly_hidden(small_world):
    visit = small_world.visits('train', 0)[0]
    site = small_world.sites[0]
    size = tuple(site.backdrop.depth.shape)
    y = 0.5 * sum(site.depth_range)
    shares = []
    for x in (0.0, site.half_width(y)):
        moved = dataclasses.replace(visit, position=(x, y), heading=0.0)
        people = draw_people([moved], small_world.body, small_world.wardrobe, site.camera.resized(2), size)
        shares.append(drop_hidden(people, torch.full(size, FAR), 0.0)[0])
    assert shares[0] == 1.0
    assert 0.3 < shares[1] < 0.7


# ---- ground_light ---------------------------------------------------------------------------------------------------


def test_without_people_the_light_is_that_of_the_place(site):
    sunlit = torch.rand(SIZE, generator=torch.Generator().manual_seed(0))
    shady = dataclasses.replace(site, backdrop=dataclasses.replace(site.backdrop, sunlit=sunlit))
    sun, sky = ground_light(shady, [], 1)
    assert torch.equal(sun, sunlit)
    torch.testing.assert_close(sky, torch.ones(SIZE))


def test_shadows_lie_where_geometry_puts_them(site, draw):
    """Sun at (0.6, 0, 0.8): a point 1 m up darkens the ground 0.75 m further left; feet take light of the sky below them."""
    person = draw((0.8, 7.0))
    sun, sky = ground_light(site, [person], 1)

    def at(light, x, y):
        col, row, _ = site.camera.project(torch.tensor([x, y, 0.0])).tolist()
        return float(light[int(row), int(col)])

    for height in (0.9, 1.2):
        assert at(sun, 0.8 - 0.75 * height, 7.0) < 0.9
        assert at(sun, 0.8 + 0.75 * height, 7.0) == 1.0
        assert at(sky, 0.8 - 0.75 * height, 7.0) == 1.0
    feet = person.vertices[person.vertices[:, 2] < 0.1].mean(0)
    col, row, _ = site.camera.project(feet).tolist()
    darkest_row, darkest_col = divmod(int(sky.argmin()), SIZE[1])
    assert math.dist((darkest_row, darkest_col), (row, col)) < 6
    assert float(sky.min()) < 0.98
    assert float(sky.min()) >= 0.35
    assert float(sun.min()) >= 0
    beyond = site.camera.project(torch.tensor([0.8 - 0.75 * 2.3, 7.0, 0.0]))  # nobody is 2.3 m tall
    assert (sun[:, : int(beyond[0])] == 1).all()


def test_only_what_is_low_takes_light_of_the_sky(site, draw):
    """Lifted by a metre, somebody shades the ground from the sun but no more from the sky."""
    person = draw((0.8, 7.0))
    sun, sky = ground_light(
        site, [dataclasses.replace(person, vertices=person.vertices + torch.tensor([0.0, 0.0, 1.0]))], 1
    )
    assert float(sun.min()) < 0.9
    torch.testing.assert_close(sky, torch.ones(SIZE))


def test_shadows_fall_on_the_ground_alone(site, draw):
    is_ground = torch.zeros(SIZE, dtype=torch.bool)
    is_ground[:, :128] = True
    half = dataclasses.replace(site, backdrop=dataclasses.replace(site.backdrop, is_ground=is_ground))
    for light, whole in zip(
        ground_light(half, [draw((0.1, 7.0))], 1), ground_light(site, [draw((0.1, 7.0))], 1), strict=True
    ):
        assert (light[:, 128:] == 1).all()
        assert torch.equal(light[:, :128], whole[:, :128])
        assert float(whole[:, 128:].min()) < 1


def test_shadows_of_two_people(site, draw):
    """People whose shadows lie apart: at every point the darker of the lights with one of them."""
    left, right = draw((-2.0, 8.0)), draw((2.5, 8.0), 1.0)
    for both, one, other in zip(
        *(ground_light(site, people, 1) for people in ([left, right], [left], [right])), strict=True
    ):
        torch.testing.assert_close(both, torch.minimum(one, other))


# ---- mask_box -------------------------------------------------------------------------------------------------------


def test_mask_box_by_hand():
    """Samples in rows 2 to 4 and columns 3 to 7, at two samples per pixel side."""
    mask = torch.zeros(8, 10, dtype=torch.bool)
    mask[2, 5] = mask[4, 3] = mask[3, 7] = True
    assert mask_box(mask, 2) == (1.5, 1.0, 4.0, 2.5)
    assert mask_box(mask, 1) == (3.0, 2.0, 8.0, 5.0)
    assert mask_box(torch.ones(8, 10, dtype=torch.bool), 2) == (0.0, 0.0, 5.0, 4.0)
