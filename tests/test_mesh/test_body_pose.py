"""Keypoints without skinning against whole bodies; posing against the directions of anatomy."""

import importlib.util
import math

import pytest
import torch

from pedsearch.mesh.body_pose import (
    JOINTS,
    BodyParameters,
    PosedAnny,
    body_up,
    root_rotation,
    rotation_from_vector,
)
from pedsearch.mesh.keypoints import COCO17, LAYOUTS

needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')
AHEAD = torch.tensor([[0.0, 0.0, 8.0]])


@pytest.fixture(scope='module')
def body():
    return PosedAnny()


def some_people(num, bend=0.3):
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    root = draw(num, 3) * torch.tensor([2.0, 0.2, 0.1])
    shape = torch.rand(num, 5, generator=generator)
    return BodyParameters(draw(num, len(JOINTS), 3) * bend, root, shape, AHEAD + draw(num, 3) * 0.3)


def bent(joint, vector):
    still = BodyParameters.standing(AHEAD)
    still.joints[0, JOINTS.index(joint)] = torch.tensor(vector)
    return still


def points(body, parameters, *names):
    return body.keypoints(parameters, names)[0]


def test_rotations_equal_the_matrix_exponential():
    vectors = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x, y, z = vectors.unbind(1)
    zero = torch.zeros(6, dtype=torch.float64)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), 1).view(6, 3, 3)
    torch.testing.assert_close(rotation_from_vector(vectors), torch.linalg.matrix_exp(cross))


def test_rotations_have_a_gradient_at_zero():
    """d exp(w) / d w at 0 is the generator of the axis."""
    vector = torch.zeros(3, requires_grad=True)
    rotation_from_vector(vector)[1, 2].backward()
    torch.testing.assert_close(vector.grad, torch.tensor([-1.0, 0.0, 0.0]))


def test_root_turns_tilts_and_rolls():
    """Body axes z up, facing -y; camera axes x right, y down, z forward."""
    head, face = torch.tensor([0.0, 0, 1]), torch.tensor([0.0, -1, 0])
    at_us, left, down_on, rolled = root_rotation(
        torch.tensor([[0.0, 0, 0], [math.pi / 2, 0, 0], [0.0, 0.3, 0], [0.0, 0, 0.2]])
    )
    torch.testing.assert_close(at_us @ head, torch.tensor([0.0, -1, 0]))
    torch.testing.assert_close(at_us @ face, torch.tensor([0.0, 0, -1]))
    torch.testing.assert_close(left @ face, torch.tensor([1.0, 0, 0]), atol=1e-6, rtol=0)  # to his left, our right
    assert float((down_on @ head)[2]) < -0.29  # seen from above, the head is nearer
    assert float((rolled @ head)[0]) > 0.19


def test_up_is_where_the_head_of_an_upright_body_is():
    root = torch.randn(5, 3, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(body_up(root), root_rotation(root)[:, :, 2])


def test_rows_and_back():
    people = some_people(3)
    assert people.rows().shape == (3, 41)
    again = BodyParameters.from_rows(people.rows())
    for name in ('joints', 'root', 'shape', 'translation'):
        torch.testing.assert_close(getattr(again, name), getattr(people, name), atol=0, rtol=0)


@needs_anny
def test_keypoints_lie_where_the_skinned_body_has_them(body):
    """anny's own regressor on whole bodies; skin that stretches over a bent joint allows for a few centimetres."""
    from anny.keypoints import KeypointsRegressor

    people = some_people(8)
    vertices = body.vertices(people)
    expected = KeypointsRegressor.coco(body.body.model, list(COCO17))(dict(vertices=vertices))
    distance = (body.keypoints(people, COCO17) - expected).norm(dim=-1)
    assert float(distance.mean()) < 0.012
    assert float(distance.max()) < 0.05
    top = body.body.rest.vertices[:, 2].argmax()
    torch.testing.assert_close(body.keypoints(people, ['head_top'])[:, 0], vertices[:, top], atol=0.01, rtol=0)


@needs_anny
def test_shapes_between_the_corners_of_the_grid(body):
    """No bending: what is left is the interpolation alone."""
    from anny.keypoints import KeypointsRegressor

    drawn = some_people(8)
    still = BodyParameters(torch.zeros_like(drawn.joints), drawn.root, drawn.shape, drawn.translation)
    knees = [COCO17.index('left_knee'), COCO17.index('right_knee')]
    regressor = KeypointsRegressor.coco(body.body.model, list(COCO17))
    expected = regressor(dict(vertices=body.vertices(still)))[:, knees]
    torch.testing.assert_close(body.keypoints(still, COCO17)[:, knees], expected, atol=0.008, rtol=0)


@needs_anny
def test_standing(body):
    """1.75 m, feet under the hips and together, hands below the hips, left of the body on the right of the picture."""
    still = BodyParameters.standing(AHEAD)
    vertices = body.vertices(still)[0]
    assert float(vertices[:, 1].max() - vertices[:, 1].min()) == pytest.approx(1.75, abs=0.03)
    names = ('left_ankle', 'right_ankle', 'left_wrist', 'left_hip', 'right_hip', 'nose')
    ankle, other_ankle, wrist, hip, other_hip, nose = points(body, still, *names)
    assert float(ankle[0]) > 0 > float(other_ankle[0])
    assert float((ankle - other_ankle).norm()) < 0.3
    assert float(wrist[1]) == pytest.approx(float(hip[1]), abs=0.1)
    assert float(hip[0]) > 0 > float(other_hip[0])
    assert float(nose[2]) < 8  # facing us
    torch.testing.assert_close((ankle + other_ankle)[:2] / 2, torch.tensor([0.0, float(ankle[1])]), atol=1e-4, rtol=0)


@needs_anny
def test_joints_bend_as_people_do(body):
    """Seen from the front, towards us is -z."""
    still = BodyParameters.standing(AHEAD)
    flexed = points(body, bent('knee.L', [0.8, 0.0, 0.0]), 'left_ankle', 'right_ankle', 'left_knee')
    straight = points(body, still, 'left_ankle', 'right_ankle', 'left_knee')
    assert float(flexed[0, 2] - straight[0, 2]) > 0.2  # the heel goes back
    torch.testing.assert_close(flexed[1:], straight[1:])  # nothing else moves
    elbow = bent('elbow.R', (body.elbow_axis * torch.tensor([1.0, -1.0, -1.0])).tolist())
    assert float((points(body, elbow, 'right_wrist') - points(body, still, 'right_wrist'))[0, 2]) < -0.1
    raised = bent('shoulder.L', [-1.0, 0.0, 0.0])
    assert float((points(body, raised, 'left_wrist') - points(body, still, 'left_wrist'))[0, 2]) < -0.3
    bowed = bent('spine', [0.5, 0.0, 0.0])
    nose, wrist, ankle = points(body, bowed, 'nose', 'left_wrist', 'left_ankle') - points(
        body, still, 'nose', 'left_wrist', 'left_ankle'
    )
    assert float(nose[2]) < -0.2
    assert float(wrist.norm()) > 0.02  # arms hang on the spine, legs do not
    assert float(ankle.norm()) == 0


@needs_anny
def test_both_sides_alike(body):
    """Mirrored parameters give mirrored bodies."""
    people = some_people(4)
    swap = [JOINTS.index(name[:-1] + dict(L='R', R='L')[name[-1]]) if '.' in name else index
            for index, name in enumerate(JOINTS)]  # fmt: skip
    flip = torch.tensor([1.0, -1.0, -1.0])  # rotation vectors are pseudo-vectors
    mirrored = BodyParameters(
        people.joints[:, swap] * flip, people.root * torch.tensor([-1.0, 1.0, -1.0]), people.shape,
        people.translation * torch.tensor([-1.0, 1.0, 1.0]),
    )  # fmt: skip
    for layout in LAYOUTS.values():
        sides = [name.replace('left', 'L_').replace('right', 'left').replace('L_', 'right') for name in layout]
        expected = body.keypoints(people, sides) * torch.tensor([-1.0, 1.0, 1.0])
        torch.testing.assert_close(body.keypoints(mirrored, layout), expected, atol=2e-3, rtol=0)


@needs_anny
def test_gradients_by_finite_differences(body):
    rows = some_people(1).rows()
    rows[:, 33:38] = torch.tensor([0.3, 0.7, 0.2, 0.6, 0.3])  # away from the corners, where it has a kink

    def height(values):
        return body.keypoints(BodyParameters.from_rows(values), ('left_wrist', 'right_ankle', 'nose'))[..., :2].sum()

    inputs = rows.clone().requires_grad_()
    height(inputs).backward()
    for column in (0, 7, 13, 21, 29, 30, 31, 32, 33, 36, 37, 38):
        step = torch.zeros_like(rows)
        step[0, column] = 1e-2
        slope = (height(rows + step) - height(rows - step)) / 2e-2
        assert float(inputs.grad[0, column]) == pytest.approx(float(slope), abs=2e-3)
