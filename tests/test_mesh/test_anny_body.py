"""The full body against anny's own posing and against anatomy; what all bodies share is in test_bodies."""

import importlib.util
import sys

import pytest
import torch

from pedsearch.mesh.anny_body import AnnyBody
from pedsearch.mesh.bodies import BodyPart, BodyShape, Gait, attach, gait_rotations
from pedsearch.registry import TASK_UTILS

needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')

BONES = {
    'hip': 'upperleg01', 'knee': 'lowerleg01', 'ankle': 'foot', 'shoulder': 'upperarm01', 'elbow': 'lowerarm01',
}  # fmt: skip


@pytest.fixture(scope='module')
def body():
    return TASK_UTILS.build(dict(type='AnnyBody'))


def span(body, part, axis):
    values = body.rest.vertices[body.rest.parts == part, axis]
    return float(values.min()), float(values.max())


@needs_anny
def test_equals_a_body_posed_by_anny(body):
    """The same joint angles handed to anny by the names of its bones; only the place differs: the root over the origin."""
    shapes = [
        BodyShape(gender=0.1, age=0.8, height=0.3),
        BodyShape(gender=0.9, muscle=0.2, weight=0.8, proportions=0.7),
    ]
    gaits = [Gait(0.4), Gait(3.9, 0.5)]
    pose = {}
    for name, rotation in gait_rotations(gaits, body._elbow_axis, body._arm_drop).items():
        joint, _, side = name.partition('.')
        pose[f'{BONES[joint]}.{side}' if side else 'spine04'] = torch.eye(4).repeat(2, 1, 1)
        pose[f'{BONES[joint]}.{side}' if side else 'spine04'][:, :3, :3] = rotation
    names = ('gender', 'age', 'muscle', 'weight', 'height', 'proportions')
    phenotype = {name: torch.tensor([getattr(shape, name) for shape in shapes]) for name in names}
    output = body.model(pose_parameters=pose, phenotype_kwargs=phenotype)
    expected, root = output['vertices'], output['bone_poses'][:, 0, :2, 3]
    found = body.pose(shapes, gaits)
    centred = [vertices - vertices.mean(1, keepdim=True) for vertices in (found, expected)]
    torch.testing.assert_close(*centred, atol=1e-5, rtol=0)
    torch.testing.assert_close((expected - found).mean(1)[:, :2], root, atol=1e-5, rtol=0)


@needs_anny
def test_parts_lie_where_anatomy_puts_them(body):
    """At rest, in body heights: every part within its zone, so that no bone is counted to another part."""
    zones = {
        BodyPart.HEAD: (0.82, 1.01), BodyPart.TORSO: (0.44, 0.88), BodyPart.UPPER_ARM: (0.65, 0.86),
        BodyPart.LOWER_ARM: (0.58, 0.72), BodyPart.HAND: (0.5, 0.64), BodyPart.UPPER_LEG: (0.25, 0.57),
        BodyPart.LOWER_LEG: (0.04, 0.31), BodyPart.FOOT: (-0.01, 0.07),
    }  # fmt: skip
    for part, (low, high) in zones.items():
        lowest, highest = span(body, part, axis=2)
        assert low < lowest < highest < high
        left, right = span(body, part, axis=0)
        assert left == pytest.approx(-right, abs=1e-3)  # both sides carry the same name
    assert span(body, BodyPart.HAND, axis=0)[1] > span(body, BodyPart.LOWER_ARM, axis=0)[1]
    assert span(body, BodyPart.HEAD, axis=0)[1] < 0.056


@needs_anny
def test_joints_lie_between_the_parts_they_join(body):
    joints = body.rest.joints
    heights = [
        float(joints[name][2]) for name in ('head', 'neck', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
    ]
    assert heights == sorted(heights, reverse=True)
    for name in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        assert float(joints[name][0]) > 0.05  # the left side
    joined = dict(
        elbow=(BodyPart.UPPER_ARM, BodyPart.LOWER_ARM), wrist=(BodyPart.LOWER_ARM, BodyPart.HAND),
        knee=(BodyPart.UPPER_LEG, BodyPart.LOWER_LEG), ankle=(BodyPart.LOWER_LEG, BodyPart.FOOT),
    )  # fmt: skip
    for name, parts in joined.items():
        for part in parts:
            near = (body.rest.vertices[body.rest.parts == part] - joints[name]).norm(dim=1).min()
            assert float(near) < 0.06


@needs_anny
def test_arms_carry_arms_alone(body):
    is_hand, is_arm = body.rest.parts == BodyPart.HAND, (body.rest.parts >= 2) & (body.rest.parts <= 4)
    weight = body.rest.arm_weight
    torch.testing.assert_close(weight[is_hand], torch.ones(int(is_hand.sum())), atol=1e-4, rtol=0)
    assert float(weight[is_arm].min()) > 0.2
    assert float(weight[body.rest.parts >= BodyPart.UPPER_LEG].max()) < 1e-4


@needs_anny
@pytest.mark.parametrize('name', ['gender', 'age', 'muscle', 'weight', 'height', 'proportions'])
def test_every_number_of_the_shape_counts(body, name):
    low, high = body.pose([BodyShape(**{name: 0.35}), BodyShape(**{name: 0.9})], [Gait(0.0, 0.0)] * 2)
    assert float((high - low).norm(dim=1).max()) > 0.015  # metres


@needs_anny
def test_children_are_small_and_the_average_is_the_rest(body):
    child, average = body.pose([BodyShape(age=1 / 3), BodyShape()], [Gait(0.0, 0.0)] * 2)
    assert float(child[:, 2].max()) < 0.8 * float(average[:, 2].max())
    assert float(average[:, 2].max()) == pytest.approx(body.height, rel=0.01)


@needs_anny
def test_company_and_clothes_do_not_change_a_body(body):
    hat = attach(body, body.rest.vertices[:5] + 0.1, ('head',))
    shapes, gaits = [BodyShape(height=0.3), BodyShape(weight=0.9)], [Gait(1.0), Gait(4.0, 0.4)]
    together = body.pose(shapes, gaits, [hat])
    assert together.shape == (2, len(body.rest.vertices) + 5, 3)
    for number in range(2):
        alone = body.pose(shapes[number : number + 1], gaits[number : number + 1])[0]
        torch.testing.assert_close(together[number, : len(alone)], alone, atol=1e-5, rtol=0)


@needs_anny
def test_the_foot_that_strikes_is_ahead(body):
    """Phase 0 is the strike of the left foot; ahead is -y, and the right hand swings with it."""
    vertices = body.pose([BodyShape()], [Gait(0.0)])[0]
    is_left = body.rest.vertices[:, 0] > 0.02
    for part, sign in ((BodyPart.FOOT, 1), (BodyPart.HAND, -1)):
        is_part = body.rest.parts == part
        lead = vertices[is_part & ~is_left, 1].mean() - vertices[is_part & is_left, 1].mean()
        assert sign * float(lead) > 0.2


def test_without_anny(monkeypatch):
    monkeypatch.setitem(sys.modules, 'anny', None)
    with pytest.raises(ImportError, match=r"pip install 'pedsearch\[mesh\]'"):
        AnnyBody()
