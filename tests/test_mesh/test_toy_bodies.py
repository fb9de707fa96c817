"""Oracles: the world's own placement of a person, and its pictures."""

import math

import numpy as np
import pytest
import torch

from pedsearch.mesh.mesh_views import MeshViewGenerator
from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.toy_bodies import ToyBodies, ToyCrop, draw_turned, save_toy_bodies, turned_visit
from pedsearch.structures import UNLABELED

BODY = dict(type='PrismBody')


@pytest.fixture(scope='module')
def crops(small_world) -> list[ToyCrop]:
    """Labelled people of the training images in crops that are wider than they are."""
    found = []
    for index in range(9):
        for person in small_world.render('train', index).annotations:
            if person.pid == UNLABELED or person.visibility < .95:
                continue
            visit, = (visit for visit in small_world.visits('train', index) if visit.pid == person.pid)
            x1, y1, x2, y2 = (int(value) for value in person.bbox)
            wide = (max(x1 - 6, 0), max(y1 - 6, 0), min(x2 + 7, 128), min(y2 + 7, 72))
            found.append(ToyCrop(f'train/{index}_{person.pid}.jpg', 'train', index, wide, visit))
    assert len(found) > 6
    return found


@pytest.fixture(scope='module')
def file(crops, small_world, tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp('bodies') / 'bodies.npz')
    save_toy_bodies(path, small_world, crops)
    return path


def placed(visit) -> torch.Tensor:
    """Vertices in the world, one rotation and one shift."""
    vertices = PrismBody().pose([visit.character.shape], [visit.gait])[0]
    x, y, z = vertices.unbind(1)
    cos, sin = math.cos(visit.heading), math.sin(visit.heading)
    east, north = visit.position
    return torch.stack([x * cos - y * sin + east, x * sin + y * cos + north, z], dim=1)


def test_bodies_are_seen_where_the_world_places_them(crops, file, small_world):
    people = ToyBodies(file, BODY)([crop.name for crop in crops])
    for row, crop in enumerate(crops):
        camera = small_world.sites[crop.index % 3].camera
        world = placed(crop.visit)
        torch.testing.assert_close(people.vertices[row], camera.to_camera(world), atol=1e-4, rtol=1e-4)
        width, height = crop.bbox[2] - crop.bbox[0], crop.bbox[3] - crop.bbox[1]
        expected = camera.project(world)[:, :2] - torch.tensor(crop.bbox[:2])
        seen = people[[row]].project((height, width))[0, :, :2]
        torch.testing.assert_close(seen, expected, atol=1e-2, rtol=1e-4)


@pytest.mark.parametrize('angle', [0., 45., 200.])
def test_a_turned_visit_is_the_turned_body(crops, file, small_world, angle):
    people = ToyBodies(file, BODY)([crop.name for crop in crops])
    turned = people.turned(torch.full((len(crops), ), math.radians(angle)))
    for row, crop in enumerate(crops):
        visit = turned_visit(crop.visit, math.radians(angle), PrismBody())
        camera = small_world.sites[crop.index % 3].camera
        torch.testing.assert_close(turned.vertices[row], camera.to_camera(placed(visit)), atol=1e-3, rtol=1e-3)


def test_turned_pictures_show_the_person_where_the_body_is(crops, file, small_world):
    """Against the place without people: what changes there is under the drawn body."""
    shares, elsewhere = [], []
    for crop in crops[:4]:
        x1, y1, x2, y2 = crop.bbox
        empty = small_world.render_visits(crop.split, crop.index, []).image[y1:y2, x1:x2]
        views = MeshViewGenerator(ToyBodies(file, BODY), empty.shape[:2])
        bodies = views(crop.name, (0, 90)) < 128
        for picture, body in zip(draw_turned(small_world, crop, (0, 90)), bodies):
            changed = np.abs(picture.astype(int) - empty).sum(axis=2) > 6
            shares.append(changed[body].mean())
            elsewhere.append(changed[:len(changed) // 2][~body[:len(body) // 2]].mean())  # below are shadows
    assert np.mean(shares) > .6  # the clothes of people made of prisms have holes
    assert np.mean(elsewhere) < .3


def test_azimuth_is_the_side_that_the_camera_sees(crops, file, small_world):
    """Against plain vectors on the ground: 0 faces the camera, a turn raises it."""
    azimuths = ToyBodies(file, BODY).azimuths([crop.name for crop in crops])
    for azimuth, crop in zip(azimuths.tolist(), crops):
        centre = small_world.sites[crop.index % 3].camera.position
        x, y = (float(a - b) for a, b in zip(centre[:2], crop.visit.position))  # to the camera
        front_x, front_y = math.sin(crop.visit.heading), -math.cos(crop.visit.heading)
        length = math.hypot(x, y)
        assert math.cos(azimuth) == pytest.approx((front_x * x + front_y * y) / length, abs=1e-4)
        assert math.sin(azimuth) == pytest.approx((x * front_y - y * front_x) / length, abs=1e-4)


def test_files_and_names_that_do_not_fit_are_errors(file, tmp_path):
    with pytest.raises(ValueError, match='no body of '):
        ToyBodies(file, BODY)(['train/unknown.jpg'])
    np.savez(tmp_path / 'other.npz', names=np.array(['a']))
    with pytest.raises(ValueError, match="must be of format 'pedsearch toy bodies 1', got 'none'"):
        ToyBodies(str(tmp_path / 'other.npz'))
    with pytest.raises(FileNotFoundError, match='make_toy_views'):
        ToyBodies(str(tmp_path / 'nothing.npz'))
