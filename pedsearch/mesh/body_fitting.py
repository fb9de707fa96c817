"""Fit bodies to 2-D keypoints.

Shape legend: N people, K keypoints, Y starting yaws, J = 10 joints.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from .body_pose import AVERAGE, JOINTS, PHENOTYPE, BodyParameters, PosedAnny, body_up
from .keypoints import points_of, without_missing
from .pose_priors import BALANCED, balance_prior, pose_prior, trust

ADULT_METRES = 1.75
"""Height of the person whom a photo without usable keypoints is taken to show."""


@dataclass(frozen=True)
class FitSettings:
    """How bodies are fitted.

    Args:
        focal (float): Focal length of the photos' cameras in photo heights; people who fill their photo stand ``focal``
            body heights away.
        yaws (int): Directions that a fit starts from, evenly spread; the best goes on.
        coarse_steps, fine_steps (int): Steps of Adam before and after that choice.
        learning_rate (float): Of both; it falls to a tenth over the fine steps.
        noise (float): Standard deviation of a keypoint in photo heights.
        outlier (float): Distance, in photo heights, from which a keypoint pulls less the farther it is.
        stretch, stretch_spread (float): Factor by which photos were stretched sideways, such as boxes of any shape made
            128 x 64, and the standard deviation of its log over photos; 1 and 0 for photos of square pixels.
        pitch (float): Expected pitch of the camera in radians; surveillance cameras look down.
        min_points (int): A fit with fewer visible keypoints fails.
        max_error (float): So does one whose visible keypoints are farther off, on average, in photo heights.
    """

    focal: float = 4.0
    yaws: int = 8
    coarse_steps: int = 40
    fine_steps: int = 150
    learning_rate: float = 0.06
    noise: float = 0.012
    outlier: float = 0.1
    stretch: float = 1.0
    stretch_spread: float = 0.0
    pitch: float = 0.2
    min_points: int = 8
    max_error: float = 0.05

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name not in ('pitch', 'stretch_spread') and not getattr(self, field.name) > 0:
                raise ValueError(f'{field.name} must be > 0, got {getattr(self, field.name)}')
        if not self.stretch_spread >= 0:
            raise ValueError(f'stretch_spread must be >= 0, got {self.stretch_spread}; 0 if all photos are alike')


MARKET_SETTINGS = FitSettings(stretch=1.35, stretch_spread=0.15)
"""For the photos of Market-1501, slim boxes made 128 x 64."""


TILT_SPREAD = (0.10, 0.06)
"""Standard deviation of the pitch and the roll of bodies in radians."""

SHAPE_SPREAD = 0.5
"""Of the logits of a shape."""


@dataclass(frozen=True)
class BodyFits:
    """Fitted people.

    Args:
        parameters (BodyParameters): N bodies; where a fit failed, an average adult standing where the photo has one.
        focal (Tensor): (N,) pixels.
        principal (Tensor): (N, 2) x, y in pixels.
        photo_size (Tensor): (N, 2) height, width in pixels that are square before the camera: the width of a stretched
            photo is divided by the stretch.
        error (Tensor): (N,) mean distance of the visible keypoints in pixels, also of failed fits; NaN without any.
        valid (Tensor): (N,) bool, False where the fit failed.
    """

    parameters: BodyParameters
    focal: Tensor
    principal: Tensor
    photo_size: Tensor
    error: Tensor
    valid: Tensor

    def __len__(self) -> int:
        return len(self.error)


def robust_distance(distance: Tensor, scale: float) -> Tensor:
    r"""Geman and McClure's :math:`d^2 / (1 + d^2 / s^2)` of squared distances ``distance``; bounded by :math:`s^2`."""
    return distance / (1 + distance / scale**2)


def standing_places(
    body: PosedAnny, points: Tensor, names: tuple[str, ...], photo_size: Tensor, focal: Tensor
) -> Tensor:
    """Where an average adult stands upright whose keypoints have the mean and the spread of those seen.

    Where less than a tenth of the photo's height is spanned, the body fills the photo.

    Args:
        body (PosedAnny): The body.
        points (Tensor): (N, K, 3) x, y, confidence, no missing values.
        names (tuple[str, ...]): Of the K points.
        photo_size (Tensor): (N, 2) height, width.
        focal (Tensor): (N,) pixels.

    Returns:
        Tensor: (N, 3) translation in metres.
    """
    origin = points.new_zeros(1, 3)
    places = body.keypoints(BodyParameters.standing(origin), names)[0]  # (K, 3)
    seen = (points[..., 2] > 0).to(points)
    count = seen.sum(1).clamp(min=1)

    def moments(values: Tensor) -> tuple[Tensor, Tensor]:
        mean = (values * seen).sum(1) / count
        return mean, ((values - mean[:, None]).square() * seen).sum(1).div(count).sqrt()

    middle_x, _ = moments(points[..., 0])
    middle_y, spread = moments(points[..., 1])
    body_x, _ = moments(places[:, 0].expand_as(seen))
    body_y, body_spread = moments(places[:, 1].expand_as(seen))
    height, width = photo_size.unbind(1)
    told = spread > 0.1 * height
    pixels_per_metre = torch.where(told, spread / body_spread.clamp(min=1e-3), 0.9 * height / ADULT_METRES)
    depth = focal / pixels_per_metre
    x = torch.where(told, middle_x - width / 2 - body_x * pixels_per_metre, 0.0) / pixels_per_metre
    hips = torch.where(told, middle_y - height / 2 - body_y * pixels_per_metre, 0.0) / pixels_per_metre
    return torch.stack((x, hips, depth), 1)


@dataclass(frozen=True)
class _Problem:
    """Keypoints in photo heights from the principal point, and what turns free numbers (B, 42) into an energy (B,)."""

    body: PosedAnny
    names: tuple[str, ...]
    target: Tensor
    weight: Tensor
    start: Tensor
    settings: FitSettings

    def repeated(self, times: int) -> '_Problem':
        target, weight, start = (
            value.repeat_interleave(times, 0) for value in (self.target, self.weight, self.start)
        )
        return _Problem(self.body, self.names, target, weight, start, self.settings)

    @staticmethod
    def shape(free: Tensor) -> Tensor:
        """Shapes in (0, 1), average for zeros."""
        return (free.new_tensor(AVERAGE).logit() + free).sigmoid()

    def parameters(self, free: Tensor) -> BodyParameters:
        """Free numbers: joints, root, shape as logits from the average, place in units of the distance, stretch."""
        raw = BodyParameters.from_rows(free[:, :-1])
        depth = self.start[:, 2:]
        shift, zoom = raw.translation[:, :2], raw.translation[:, 2:]
        translation = torch.cat((self.start[:, :2] + 0.2 * depth * shift, depth * zoom.exp()), 1)
        return BodyParameters(raw.joints, raw.root, self.shape(raw.shape), translation)

    def stretch(self, free: Tensor) -> Tensor:
        """Factors (B,) by which the photos are stretched sideways."""
        return self.settings.stretch * (self.settings.stretch_spread * free[:, -1]).exp()

    def energy(self, free: Tensor) -> Tensor:
        parameters = self.parameters(free)
        points = self.body.keypoints(parameters, (*self.names, *BALANCED))
        points, balanced = points.split((len(self.names), len(BALANCED)), dim=1)
        image = self.settings.focal * points[..., :2] / points[..., 2:].clamp(min=0.1)
        image = torch.stack((image[..., 0] * self.stretch(free)[:, None], image[..., 1]), -1)
        squared = (image - self.target).square().sum(-1) / self.settings.noise**2
        data = 0.5 * (self.weight * robust_distance(squared, self.settings.outlier / self.settings.noise)).sum(1)
        raw = BodyParameters.from_rows(free[:, :-1])
        tilt = (raw.root[:, 1:] - raw.root.new_tensor([self.settings.pitch, 0.0])) / raw.root.new_tensor(TILT_SPREAD)
        others = tilt.square().sum(1) + (raw.shape / SHAPE_SPREAD).square().sum(1) + free[:, -1].square()
        upright = balance_prior(balanced - parameters.translation[:, None], body_up(parameters.root))
        return data + pose_prior(raw.joints, self.body.elbow_axis) + upright + 0.5 * others


def _minimise(energy: Callable[[Tensor], Tensor], free: Tensor, steps: int, rates: Tensor) -> Tensor:
    """Rows after ``steps`` of Adam; rows do not influence one another."""
    free = free.clone().requires_grad_()
    optimizer = torch.optim.Adam([free], betas=(0.9, 0.99))
    for step in range(steps):
        optimizer.param_groups[0]['lr'] = float(rates[step])
        optimizer.zero_grad()
        with torch.enable_grad():
            energy(free).sum().backward()
        optimizer.step()
    return free.detach()


@torch.no_grad()
def fit_bodies(
    points: Tensor, layout: str, photo_size: Tensor, body: PosedAnny, settings: FitSettings | None = None
) -> BodyFits:
    r"""Fit pose, shape and place of bodies to keypoints, all people at once.

    .. math:: E = \tfrac12 \sum_k c_k \rho(\lVert \pi(p_k) - y_k \rVert / \sigma)
              + E_{pose} + E_{balance} + E_{tilt} + E_{shape} + E_{stretch}

    with confidences :math:`c` and Geman and McClure's :math:`\rho`. A photo shows one person, cut out. Focal length
    and age are given, not fitted; what a picture leaves open, height against distance, the prior of the shape decides.

    A fit fails with fewer than ``min_points`` visible keypoints, with a mean error above ``max_error`` photo heights,
    or with a number that is not finite. An average adult who stands where the keypoints, or else the photo, say takes
    its place.

    Args:
        points (Tensor): (N, K, 3) x, y in pixels and confidence in [0, 1]; NaN or confidence 0: missing.
        layout (str): Key of :data:`~pedsearch.mesh.keypoints.LAYOUTS`.
        photo_size (Tensor): (N, 2) height, width in pixels.
        body (PosedAnny): What is fitted.
        settings (FitSettings, optional): Defaults to ``FitSettings()``.

    Returns:
        BodyFits: N people.

    Raises:
        ValueError: If a shape is wrong.

    Source: own, after SMPLify (Bogo et al., ECCV 2016).
    """
    settings = FitSettings() if settings is None else settings
    names = points_of(layout)
    if points.ndim != 3 or tuple(points.shape[1:]) != (len(names), 3):
        raise ValueError(f'points must have shape (N, {len(names)}, 3) in layout {layout}, got {tuple(points.shape)}')
    if tuple(photo_size.shape) != (len(points), 2):
        raise ValueError(f'photo_size must have shape ({len(points)}, 2), got {tuple(photo_size.shape)}; height, width')
    points, photo_size = without_missing(points.float()), photo_size.float()
    height, principal = photo_size[:, 0], photo_size.flip(1) / 2
    focal = settings.focal * height
    square_points = points / points.new_tensor([settings.stretch, 1.0, 1.0])
    square_size = photo_size / points.new_tensor([1.0, settings.stretch])
    start = standing_places(body, square_points, names, square_size, focal)
    target = (points[..., :2] - principal[:, None]) / height[:, None, None]
    weight = points[..., 2] * trust(points, names, photo_size)
    problem = _Problem(body, names, target, weight, start, settings)

    free = points.new_zeros(len(points), settings.yaws, 3 * len(JOINTS) + 3 + len(PHENOTYPE) + 3 + 1)
    free[..., 3 * len(JOINTS)] = torch.arange(settings.yaws) * (2 * torch.pi / settings.yaws)
    free[..., 3 * len(JOINTS) + 1] = settings.pitch
    starts = problem.repeated(settings.yaws)
    rate = torch.full((settings.coarse_steps,), settings.learning_rate)
    free = _minimise(starts.energy, free.flatten(0, 1), settings.coarse_steps, rate)
    best = starts.energy(free).unflatten(0, (-1, settings.yaws)).nan_to_num(torch.inf).argmin(1)
    free = free.unflatten(0, (-1, settings.yaws))[torch.arange(len(points)), best]
    rate = settings.learning_rate * torch.logspace(0, -1, settings.fine_steps)
    free = _minimise(problem.energy, free, settings.fine_steps, rate)

    fitted, stretch = problem.parameters(free), problem.stretch(free)
    focal_xy = focal[:, None] * torch.stack((stretch, torch.ones_like(stretch)), 1)
    error = _mean_error(body.keypoints(fitted, names), points, focal_xy, principal)
    seen = (points[..., 2] > 0).sum(1)
    finite = torch.isfinite(fitted.rows()).all(1)
    valid = (seen >= settings.min_points) & (error <= settings.max_error * height) & finite
    rows = torch.where(valid[:, None], fitted.rows(), BodyParameters.standing(start).rows())
    yaw = 3 * len(JOINTS)
    rows[:, yaw] = torch.remainder(rows[:, yaw] + torch.pi, 2 * torch.pi) - torch.pi
    size = torch.stack((height, photo_size[:, 1] / torch.where(valid, stretch, settings.stretch)), 1)
    return BodyFits(BodyParameters.from_rows(rows), focal, size.flip(1) / 2, size, error, valid)


def _mean_error(places: Tensor, points: Tensor, focal: Tensor, principal: Tensor) -> Tensor:
    """Mean distance (N,) in pixels between keypoints in camera axes (N, K, 3) and those seen (N, K, 3), with focal
    lengths (N, 2) of x and y.
    """
    image = places[..., :2] / places[..., 2:] * focal[:, None] + principal[:, None]
    seen = (points[..., 2] > 0).to(points)
    distance = (image - points[..., :2]).norm(dim=-1)
    return (distance * seen).sum(1) / seen.sum(1)
