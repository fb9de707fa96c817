import math

import pytest
import torch

from pedsearch.mesh.body_pose import JOINTS
from pedsearch.mesh.pose_priors import BALANCE_SPREAD, BORDER_TRUST, balance_prior, pose_prior, trust

AXIS = torch.nn.functional.normalize(torch.tensor([-0.7, 0.1, -0.7]), dim=0)


def energy(joint, vector):
    joints = torch.zeros(1, len(JOINTS), 3)
    joints[0, JOINTS.index(joint)] = torch.as_tensor(vector)
    return float(pose_prior(joints, AXIS))


def test_standing_costs_nothing():
    assert energy('knee.L', [0.0, 0, 0]) == 0


def test_one_standard_deviation_costs_one_half():
    assert energy('hip.L', [0.3, 0, 0]) == pytest.approx(0.5)
    assert energy('hip.R', [0, -0.12, 0]) == pytest.approx(0.5)
    assert energy('neck', [0, 0, 0.3]) == pytest.approx(0.5)
    assert energy('elbow.L', 0.5 * AXIS) == pytest.approx(0.5)
    assert energy('elbow.R', 0.5 * AXIS * torch.tensor([1.0, -1.0, -1.0])) == pytest.approx(0.5)


def test_an_elbow_bends_about_its_axis_alone():
    """A turn of the forearm about any axis square to it has the spread of the other two."""
    square = torch.linalg.cross(AXIS, torch.tensor([0.3, 0.9, -0.2]))
    assert energy('elbow.L', 0.1 * square / square.norm()) == pytest.approx(0.5)


@pytest.mark.parametrize('joint', ['knee.L', 'knee.R', 'elbow.L', 'elbow.R'])
def test_hinges_do_not_bend_backwards(joint):
    axis = torch.tensor([1.0, 0, 0]) if joint.startswith('knee') else AXIS.clone()
    axis = axis * torch.tensor([1.0, -1.0, -1.0]) if joint == 'elbow.R' else axis
    forward, backward = energy(joint, 0.15 * axis), energy(joint, -0.15 * axis)
    assert backward - forward == pytest.approx(0.5 * ((0.15 - 0.05) / 0.05) ** 2, rel=1e-4)
    assert energy(joint, -0.05 * axis) == pytest.approx(energy(joint, 0.05 * axis))


def test_balance_counts_what_is_aside_of_the_vertical():
    """Feet 0.1 m ahead on average and far apart, throat 0.08 m aside; nothing for height."""
    up = torch.tensor([[0.0, -1.0, 0.0]])
    points = torch.tensor([[[0.5, 0.9, -0.1], [-0.5, 0.8, -0.1], [0.08, -0.5, 0.0]]])
    expected = 0.5 * ((0.1 / BALANCE_SPREAD[0]) ** 2 + (0.08 / BALANCE_SPREAD[1]) ** 2)
    assert float(balance_prior(points, up)) == pytest.approx(expected)
    tilt = torch.tensor([[1.0, 0, 0], [0, math.cos(0.4), -math.sin(0.4)], [0, math.sin(0.4), math.cos(0.4)]])
    assert float(balance_prior(points @ tilt.T, up @ tilt.T)) == pytest.approx(expected, rel=1e-5)


def test_trust_in_points():
    """Hips count less than wrists; what lies within 2.5 % of the upper or lower border counts a quarter of that."""
    names = ('left_wrist', 'left_hip', 'left_ankle')
    points = torch.tensor([[[30.0, 60, 1], [30, 60, 1], [30, 126, 1]], [[1.0, 2, 1], [30, 60, 1], [30, 124, 1]]])
    found = trust(points, names, torch.tensor([[128.0, 64.0]] * 2))
    expected = torch.tensor([[1.0, 1 / 1.5**2, BORDER_TRUST], [BORDER_TRUST, 1 / 1.5**2, 1.0]])
    torch.testing.assert_close(found, expected)
