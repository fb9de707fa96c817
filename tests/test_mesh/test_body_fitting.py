"""Bodies are projected, and found again from their keypoints."""

import importlib.util

import pytest
import torch

from pedsearch.mesh.body_fitting import FitSettings, fit_bodies, robust_distance, standing_places
from pedsearch.mesh.body_pose import JOINTS, BodyParameters, PosedAnny
from pedsearch.mesh.keypoints import COCO17, points_of

needs_anny = pytest.mark.skipif(importlib.util.find_spec('anny') is None, reason='anny is not installed')
SETTINGS = FitSettings(coarse_steps=30, fine_steps=80)
KNEE, ELBOW = JOINTS.index('knee.L'), JOINTS.index('elbow.L')


@pytest.fixture(scope='module')
def body():
    return PosedAnny()


def walkers(body, num, seed=0):
    """Upright people with bent limbs, in every direction."""
    generator = torch.Generator().manual_seed(seed)
    joints = 0.15 * torch.randn(num, len(JOINTS), 3, generator=generator)
    for side in range(2):
        joints[:, KNEE + side] = torch.tensor([1.0, 0, 0]) * torch.rand(num, 1, generator=generator) * 0.7
        axis = body.elbow_axis * torch.tensor([1.0, 1 - 2 * side, 1 - 2 * side])
        joints[:, ELBOW + side] = axis * torch.rand(num, 1, generator=generator) * 0.7
    yaw = torch.arange(num) * (2 * torch.pi / num)
    root = torch.stack((yaw, torch.full((num,), 0.2), torch.zeros(num)), 1)
    shape = 0.35 + 0.3 * torch.rand(num, 5, generator=generator)
    return BodyParameters(joints, root, shape, torch.tensor([[0.0, 0.0, 8.5]]).repeat(num, 1))


def photographed(body, people, layout, size=(128, 64), noise=0.0, stretch=1.0):
    """Keypoints (N, K, 3) on photos of ``size`` by a camera of focal length 4 heights, and the sizes of the photos."""
    places = body.keypoints(people, points_of(layout))
    height, width = size
    xy = 4 * height * places[..., :2] / places[..., 2:] * torch.tensor([stretch, 1.0])
    xy = xy + torch.tensor([width / 2, height / 2])
    xy = xy + noise * torch.randn(xy.shape, generator=torch.Generator().manual_seed(5))
    points = torch.cat((xy, torch.ones_like(xy[..., :1])), -1)
    return points, torch.tensor([[height, width]], dtype=torch.float32).repeat(len(xy), 1)


def turned_by(first, second):
    """Degrees between yaws."""
    return torch.rad2deg((first - second + torch.pi).remainder(2 * torch.pi) - torch.pi).abs()


def joint_error(body, people, truth):
    """Mean distance of joints in metres, but for the place."""
    found, expected = (body.keypoints(each, COCO17) for each in (people, truth))
    return ((found - found.mean(1, keepdim=True)) - (expected - expected.mean(1, keepdim=True))).norm(dim=-1).mean()


@needs_anny
@pytest.mark.parametrize(('layout', 'noise', 'pixels', 'metres', 'degrees'), [
    ('coco17', 0.0, 1.0, 0.06, 6), ('market14', 0.0, 1.0, 0.07, 8), ('coco17', 1.5, 2.0, 0.09, 12),
])  # fmt: skip
def test_known_bodies_are_found_again(body, layout, noise, pixels, metres, degrees):
    truth = walkers(body, 16)
    points, sizes = photographed(body, truth, layout, noise=noise)
    fits = fit_bodies(points, layout, sizes, body, SETTINGS)
    assert bool(fits.valid.all())
    assert float(fits.error.median()) < pixels
    assert float(joint_error(body, fits.parameters, truth)) < metres
    assert float(turned_by(fits.parameters.root[:, 0], truth.root[:, 0]).median()) < degrees


@needs_anny
def test_error_is_the_mean_distance_in_pixels(body):
    points, sizes = photographed(body, walkers(body, 4), 'coco17', noise=3.0)
    points[0, :5] = 0
    fits = fit_bodies(points, 'coco17', sizes, body, SETTINGS)
    places = body.keypoints(fits.parameters, COCO17)
    for number in range(4):
        distances = []
        for (x, y, z), (u, v, confidence) in zip(places[number].tolist(), points[number].tolist(), strict=True):
            if confidence:
                focal, (px, py) = float(fits.focal[number]), fits.principal[number].tolist()
                distances.append(((focal * x / z + px - u) ** 2 + (focal * y / z + py - v) ** 2) ** 0.5)
        assert float(fits.error[number]) == pytest.approx(sum(distances) / len(distances), rel=1e-3)


@needs_anny
def test_a_stretch_is_told_from_a_broad_body(body):
    """Photos 1.4 times as wide as they should be: found again, and the camera's photo is that much slimmer."""
    truth = walkers(body, 12, seed=2)
    points, sizes = photographed(body, truth, 'coco17', stretch=1.4)
    settings = FitSettings(coarse_steps=30, fine_steps=120, stretch=1.2, stretch_spread=0.5)
    fits = fit_bodies(points, 'coco17', sizes, body, settings)
    stretch = 64 / fits.photo_size[:, 1]
    assert float(stretch.median()) == pytest.approx(1.4, abs=0.1)
    torch.testing.assert_close(fits.principal, fits.photo_size.flip(1) / 2)
    assert float(fits.error.median()) < 1.0


@needs_anny
def test_scale_of_the_photo_does_not_matter(body):
    points, sizes = photographed(body, walkers(body, 4), 'coco17')
    small = fit_bodies(points, 'coco17', sizes, body, SETTINGS)
    large = fit_bodies(points * torch.tensor([2.0, 2.0, 1.0]), 'coco17', sizes * 2, body, SETTINGS)
    torch.testing.assert_close(large.parameters.rows(), small.parameters.rows(), atol=2e-2, rtol=0)
    torch.testing.assert_close(large.error, 2 * small.error, atol=5e-2, rtol=0)


@needs_anny
def test_company_does_not_matter(body):
    points, sizes = photographed(body, walkers(body, 4), 'market14')
    together = fit_bodies(points, 'market14', sizes, body, SETTINGS)
    alone = fit_bodies(points[2:3], 'market14', sizes[2:3], body, SETTINGS)
    torch.testing.assert_close(alone.parameters.rows(), together.parameters.rows()[2:3], atol=2e-2, rtol=0)


@needs_anny
def test_missing_and_wrong_points_do_little(body):
    truth = walkers(body, 6)
    points, sizes = photographed(body, truth, 'coco17')
    points[:, COCO17.index('left_ear')] = float('nan')
    points[:, COCO17.index('right_wrist')] = torch.tensor([500.0, 500.0, 0.0])
    points[:, COCO17.index('left_wrist'), 0] += 60  # an outlier, far beyond the bend of the robust loss
    fits = fit_bodies(points, 'coco17', sizes, body, SETTINGS)
    assert float(joint_error(body, fits.parameters, truth)) < 0.12
    assert float(turned_by(fits.parameters.root[:, 0], truth.root[:, 0]).median()) < 20


@needs_anny
def test_failed_fits_stand_where_the_person_is(body):
    """Too few points; points of no body; none at all. Each for its own reason, beside a fit that holds."""
    points, sizes = photographed(body, walkers(body, 4), 'coco17')
    few, wild, none = 1, 2, 3
    points[few, 7:] = 0
    wild_points = torch.rand(17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([64.0, 128.0])
    points[wild, :, :2] = wild_points
    points[none] = float('nan')
    fits = fit_bodies(points, 'coco17', sizes, body, SETTINGS)
    assert fits.valid.tolist() == [True, False, False, False]
    assert float(fits.error[wild]) > 0.05 * 128
    assert bool(torch.isnan(fits.error[none]))
    assert bool(torch.isfinite(fits.parameters.rows()).all())
    average = BodyParameters.standing(fits.parameters.translation).rows()
    torch.testing.assert_close(fits.parameters.rows()[1:], average[1:], atol=0, rtol=0)

    vertices = body.vertices(fits.parameters)
    y = fits.focal[:, None] * vertices[..., 1] / vertices[..., 2] + fits.principal[:, 1:]
    top, bottom = y.amin(1), y.amax(1)
    assert float(bottom[none] - top[none]) == pytest.approx(0.9 * 128, abs=5)  # the photo is all that is known
    places = body.keypoints(fits.parameters, COCO17)[wild]
    x = fits.focal[wild] * places[:, 0] / places[:, 2] + fits.principal[wild, 0]
    assert float(x.mean()) == pytest.approx(float(wild_points[:, 0].mean()), abs=0.5)


@needs_anny
def test_a_standing_body_has_mean_and_spread_of_the_points(body):
    truth = BodyParameters.standing(torch.tensor([[0.3, -0.2, 9.0]]))
    points, sizes = photographed(body, truth, 'coco17')
    found = standing_places(body, points, COCO17, sizes, torch.tensor([512.0]))
    torch.testing.assert_close(found, truth.translation, atol=0.2, rtol=0)


def test_robust_distance_is_quadratic_near_and_bounded_far():
    distances = torch.tensor([0.0, 0.01, 9.0, 1e9])
    torch.testing.assert_close(robust_distance(distances, 3.0), torch.tensor([0.0, 0.01, 4.5, 9.0]), atol=1e-4, rtol=0)


def test_errors():
    with pytest.raises(ValueError, match=r'points must have shape \(N, 17, 3\) in layout coco17, got \(2, 14, 3\)'):
        fit_bodies(torch.zeros(2, 14, 3), 'coco17', torch.ones(2, 2), None)
    with pytest.raises(ValueError, match=r'photo_size must have shape \(2, 2\), got \(2,\); height, width'):
        fit_bodies(torch.zeros(2, 17, 3), 'coco17', torch.ones(2), None)
    with pytest.raises(ValueError, match='expected a layout of'):
        fit_bodies(torch.zeros(2, 17, 3), 'openpose', torch.ones(2, 2), None)
    with pytest.raises(ValueError, match='noise must be > 0, got 0'):
        FitSettings(noise=0)
    with pytest.raises(ValueError, match='stretch_spread must be >= 0, got -1'):
        FitSettings(stretch_spread=-1)
