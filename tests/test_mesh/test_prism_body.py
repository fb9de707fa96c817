"""The body of boxes against its joints worked out by hand; what all bodies share is in test_bodies."""

import pytest
import torch

from pedsearch.mesh.bodies import BodyPart, BodyShape, Gait, attach, gait_rotations
from pedsearch.mesh.prism_body import subdivided_box
from pedsearch.registry import TASK_UTILS

from .plain_geometry import is_closed, signed_volume

# Joints of the left side from the tip to the root, in body heights.
LEG = {'ankle': (0.055, 0.0, 0.05), 'knee': (0.055, 0.0, 0.29), 'hip': (0.055, 0.0, 0.52)}
ARM = {'elbow': (0.11, 0.0, 0.66), 'shoulder': (0.11, 0.0, 0.80), 'spine': (0.0, 0.0, 0.58)}


@pytest.fixture(scope='module')
def body():
    return TASK_UTILS.build(dict(type='PrismBody'))


@pytest.mark.parametrize('cells', [1, 3, 4])
def test_box_is_closed_and_points_outward(cells):
    vertices, faces = subdivided_box((-1.0, 0.0, 2.0), (1.0, 3.0, 6.0), cells)
    assert len(vertices) == 6 * (cells + 1) ** 2
    assert len(faces) == 12 * cells**2
    assert is_closed(vertices, faces)
    assert signed_volume(vertices, faces) == pytest.approx(2 * 3 * 4)
    assert vertices.amin(0).tolist() == [-1, 0, 2]
    assert vertices.amax(0).tolist() == [1, 3, 6]


def test_rest_is_closed_and_mirrored(body):
    """15 boxes of outward triangles, the right side the mirror image of the left."""
    assert is_closed(body.rest.vertices, body.faces)
    for faces in body.faces.split(12 * 9):
        assert signed_volume(body.rest.vertices, faces) > 0
    assert len(body.faces) == (3 + 2 * 6) * 12 * 9
    rest = body.rest.vertices.double()
    assert float(torch.cdist(rest * torch.tensor([-1.0, 1.0, 1.0]), rest).amin(1).max()) < 1e-6


@pytest.mark.parametrize(('part', 'chain'), [(BodyPart.FOOT, LEG), (BodyPart.LOWER_ARM, ARM)])
@pytest.mark.parametrize('side', [1, -1])
def test_limbs_equal_the_chain_by_hand(body, part, chain, side):
    """From the tip to the trunk, each joint turns everything beyond it about itself."""
    gaits = [Gait(0.3), Gait(2.5, 1.0)]
    shapes = [BodyShape(height=0.2, weight=1.0), BodyShape(height=0.7, weight=0.1)]
    rotations = gait_rotations(gaits, torch.tensor([-1.0, 0.0, 0.0]), -0.06)
    chosen = (body.rest.parts == part) & (body.rest.vertices[:, 0] * side > 0)
    posed = body.pose(shapes, gaits)
    for number, shape in enumerate(shapes):
        tall, wide = 1.4 + 0.7 * shape.height, 0.8 + 0.4 * shape.weight
        scale = torch.tensor([tall * wide, tall * wide, tall])
        limb = body.rest.vertices[chosen] * scale
        for joint, place in chain.items():
            name = joint if joint == 'spine' else f'{joint}.{"L" if side > 0 else "R"}'
            center = torch.tensor([side * place[0], place[1], place[2]]) * scale
            limb = torch.stack([rotations[name][number] @ (point - center) + center for point in limb])
        lift = posed[number, chosen] - limb  # the lowest point comes to z = 0
        torch.testing.assert_close(lift, lift[:1].expand_as(lift), atol=1e-5, rtol=0)
        torch.testing.assert_close(lift[0, :2], torch.zeros(2), atol=1e-5, rtol=0)


def test_size_by_hand(body):
    """Standing, the head is 0.09 body heights times the weight's factor wide, on top of the body."""
    shapes = [BodyShape(height=0.5, weight=0.5), BodyShape(height=1.0, weight=0.0), BodyShape(height=0.0, weight=1.0)]
    heads = body.pose(shapes, [Gait(0.0, 0.0)] * 3)[:, body.rest.parts == BodyPart.HEAD]
    width = heads[..., 0].amax(1) - heads[..., 0].amin(1)
    torch.testing.assert_close(width, 0.09 * torch.tensor([1.75, 2.1 * 0.8, 1.4 * 1.2]))
    torch.testing.assert_close(heads[..., 2].amax(1), torch.tensor([1.75, 2.1, 1.4]), rtol=0.01, atol=0)
    assert body.height == 1.75


def test_of_a_shape_only_height_and_weight_count(body):
    shapes = [BodyShape(), BodyShape(gender=0.0, age=0.4, muscle=1.0, proportions=0.0)]
    first, second = body.pose(shapes, [Gait(0.9)] * 2)
    assert torch.equal(first, second)


def test_the_foot_that_strikes_is_ahead(body):
    vertices = body.pose([BodyShape()], [Gait(0.0)])[0]
    is_foot, is_left = body.rest.parts == BodyPart.FOOT, body.rest.vertices[:, 0] > 0
    assert float(vertices[is_foot & is_left, 1].mean()) < float(vertices[is_foot & ~is_left, 1].mean()) - 0.2


def test_company_and_clothes_do_not_change_a_body(body):
    """A skirt that hangs below the feet does not lift them off the ground."""
    skirt = attach(body, torch.tensor([[0.0, 0.0, -0.2]]), ('pelvis',))
    shapes, gaits = [BodyShape(height=0.3), BodyShape(weight=0.9)], [Gait(1.0), Gait(4.0, 0.4)]
    together = body.pose(shapes, gaits, [skirt])
    assert together.shape == (2, len(body.rest.vertices) + 1, 3)
    assert float(together[0, -1, 2]) < -0.2
    for number in range(2):
        alone = body.pose(shapes[number : number + 1], gaits[number : number + 1])[0]
        torch.testing.assert_close(together[number, :-1], alone)


def test_parts_and_weights_name_the_same_boxes(body):
    """One bone per vertex; what a carrier carries is made of the parts that its name says."""
    assert set(body.weights.unique().tolist()) == {0.0, 1.0}
    carried = {'head': BodyPart.HEAD, 'chest': BodyPart.TORSO, 'pelvis': BodyPart.TORSO, 'thigh.L': BodyPart.UPPER_LEG,
               'thigh.R': BodyPart.UPPER_LEG}  # fmt: skip
    assert set(body.carriers) == set(carried)
    for name, part in carried.items():
        own = body.weights[:, body.carriers[name]] == 1
        assert set(body.rest.parts[own].tolist()) == {int(part)}
        side = float(body.rest.vertices[own, 0].mean())
        assert (side > 0.01, side < -0.01) == (name.endswith('.L'), name.endswith('.R'))
    assert set(body.rest.parts[body.rest.arm_weight == 1].tolist()) == {2, 3, 4}
    assert set(body.rest.parts[body.rest.arm_weight == 0].tolist()) == {0, 1, 5, 6, 7}
