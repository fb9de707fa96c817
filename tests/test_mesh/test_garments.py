"""Garments fit the body they are cut on."""

import numpy as np
import pytest
import torch

from pedsearch.mesh.bodies import BodyShape, Gait
from pedsearch.mesh.garments import Piece, build_wardrobe, ellipsoid
from pedsearch.mesh.prism_body import PrismBody
from pedsearch.mesh.renderers import vertex_normals


@pytest.fixture(scope='module')
def body():
    return PrismBody()


@pytest.fixture(scope='module')
def wardrobe(body):
    return build_wardrobe(body)


def extent(wardrobe, piece):
    used = wardrobe.faces[wardrobe.pieces == piece].unique()
    return wardrobe.rest[used].amin(0), wardrobe.rest[used].amax(0)


def test_each_piece_sits_in_its_place(wardrobe):
    hip = 0.52
    assert float(extent(wardrobe, Piece.HAT)[1][2]) > 1.0
    assert float(extent(wardrobe, Piece.HAT)[0][2]) > 0.88
    low, high = extent(wardrobe, Piece.SKIRT)
    assert 0.3 < float(low[2]) < hip < float(high[2])
    assert float(extent(wardrobe, Piece.BACKPACK)[0][1]) > 0.02  # behind: +y
    assert float(extent(wardrobe, Piece.HAIR)[0][2]) < 0.85


def test_faces_index_the_right_vertices(wardrobe):
    assert len(wardrobe.faces) == len(wardrobe.pieces)
    assert int(wardrobe.faces.max()) == len(wardrobe.rest) - 1
    for attachment in wardrobe.attachments:
        torch.testing.assert_close(attachment.weights.sum(1), torch.ones(len(attachment.vertices)))


def test_drape_equals_the_slow_loop(body, wardrobe):
    vertices = body.pose([BodyShape()], [Gait(0.5)], wardrobe.attachments)[0]
    thickness = torch.zeros(len(vertices))
    rng = np.random.default_rng(0)
    clothed = rng.choice(len(body.rest.vertices), 20, replace=False)
    thickness[clothed] = 0.01
    slow = vertices.clone()
    neighbours = {int(v): set() for v in clothed}
    for face in wardrobe.faces.tolist():
        for v in face:
            if v in neighbours:
                neighbours[v] |= set(face) - {v}
    for _ in range(2):
        before = slow.clone()
        for v, around in neighbours.items():
            slow[v] = before[sorted(around)].mean(0)
    slow += vertex_normals(slow[None], wardrobe.faces)[0] * thickness[:, None]
    torch.testing.assert_close(wardrobe.drape(vertices, wardrobe.faces, thickness, passes=2), slow)


def test_skirt_hides_the_thighs(body, wardrobe):
    """Seen from above, the hem encloses the legs at its height, standing still."""
    vertices = body.pose([BodyShape()], [Gait(0.0, 0.0)], wardrobe.attachments)[0]
    hem = vertices[wardrobe.faces[wardrobe.pieces == Piece.SKIRT].unique()]
    hem = hem[hem[:, 2] < hem[:, 2].min() + 0.02]
    legs = vertices[: len(body.rest.vertices)]
    legs = legs[(legs[:, 2] - hem[:, 2].mean()).abs() < 0.1]
    legs = legs[legs[:, 0].abs() < 0.17]  # no hands
    assert float(hem[:, 0].max()) > float(legs[:, 0].max())
    assert float(hem[:, 0].min()) < float(legs[:, 0].min())


def test_ellipsoid_is_on_its_surface():
    vertices, _ = ellipsoid((1.0, 2.0, 3.0), (0.5, 1.0, 2.0))
    unit = (vertices - torch.tensor([1.0, 2, 3])) / torch.tensor([0.5, 1, 2])
    torch.testing.assert_close(unit.norm(dim=1), torch.ones(len(vertices)))
