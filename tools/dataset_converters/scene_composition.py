"""Cut people out of crops and paste them into pictures: a soft mask, a place on the ground, light, occlusion.

Shape legend: h x w crop, H x W picture, k patches of a crop, P people of one picture. Alpha is float32 from 0 (outside
of the body) to 1. Pictures are BGR uint8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

MASK_ROWS = 128
"""Masks are found at this height and scaled to the crop."""

MIN_CROP_SIDE = 16
NUM_PATCHES, PATCH_SCALE = 32, (100.0, 60.0)
"""Patches of one crop; height and width of a crop in the units of colour (CIELAB, 8 bits)."""

COLOR_REACH = 14.0
MASK_ROUNDS = 3
LIGHT_SHARE = 0.35
"""How far the light of a crop moves to that of its new surroundings, 0 to 1."""

MEDIAN_HEIGHT, HEIGHT_SPREAD, HEIGHT_RANGE = 0.185, 0.53, (0.06, 0.85)
"""Log-normal height of a person as a share of the picture's: as PRW's 43,110 boxes are distributed."""

STATURE_SPREAD = 0.12
"""Relative deviation of heights from what the perspective gives to the feet; in PRW's cameras 0.10 to 0.21."""

BESIDE_SHARE = 0.1
"""Share of people who stand beside somebody."""

MAX_OVERLAP = 0.6
"""Most of a box that a single person in front of it may cover."""

NUM_TRIES = 40


@dataclass(frozen=True)
class Cutout:
    """One person: ``img`` (h, w, 3), ``alpha`` (h, w) and the box (4,) int of the body, xyxy, in the crop."""

    img: np.ndarray
    alpha: np.ndarray
    bbox: np.ndarray

    @property
    def ratio(self) -> float:
        """Width / height of the body."""
        return float((self.bbox[2] - self.bbox[0]) / (self.bbox[3] - self.bbox[1]))


@dataclass(frozen=True)
class Perspective:
    """How large people look where: with feet at y, a share of H, they are ``slope * (y - horizon)`` of H high.

    Nobody's feet are above ``ground``, also a share of H.
    """

    horizon: float
    slope: float
    ground: float


def body_prior(height: int, width: int) -> np.ndarray:
    """Chance (height, width) that a pixel of a crop shows the person: head, trunk and legs, upright in the middle."""
    zoom = 4
    canvas = np.zeros((height * zoom, width * zoom), np.float32)
    scale = np.array([width, height]) * zoom
    cv2.ellipse(canvas, (scale * (0.5, 0.105)).astype(int), (scale * (0.2, 0.1)).astype(int), 0, 0, 360, 1, -1)
    half_trunk = np.array([(0.14, 0.15), (0.3, 0.23), (0.35, 0.45), (0.26, 0.58)])
    half_legs = np.array([(0.25, 0.5), (0.23, 0.75), (0.26, 0.97)])
    for half in (half_trunk, half_legs):
        outline = np.concatenate([half, half[::-1] * (-1, 1)]) + (0.5, 0)
        cv2.fillPoly(canvas, [(scale * outline).astype(np.int32)], 1)
    canvas = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(canvas, (0, 0), 0.07 * width, borderType=cv2.BORDER_CONSTANT).clip(0.01, 0.98)


def body_mask(crop: np.ndarray) -> np.ndarray:
    """Find the body in a crop, without a network.

    The crop is divided into patches of one colour in one place. Beginning with :func:`body_prior`, the colours of the
    body and of the rest are counted over the patches, and every pixel is judged again by prior and colours. Only the
    largest connected part stays. The outcome depends on nothing but the crop.

    Args:
        crop (np.ndarray): (h, w, 3) BGR uint8 around one upright person.

    Returns:
        np.ndarray: (h, w) float32 alpha with soft edges, 0 along the border of the crop.
    """
    height, width = crop.shape[:2]
    rows, cols = MASK_ROWS, max(8, round(MASK_ROWS * width / height))
    work = cv2.resize(crop, (cols, rows), interpolation=cv2.INTER_AREA)
    prior = body_prior(rows, cols)
    patches, centers = _divide(work)
    chance = prior.ravel().astype(np.float64)
    alike = np.exp(-((centers[:, None] - centers) ** 2).sum(-1) / (2 * COLOR_REACH**2))  # (k, k)
    for _ in range(MASK_ROUNDS):
        body, rest = (np.bincount(patches, part, len(centers)) / part.sum() for part in (chance, 1 - chance))
        evidence = np.log((alike @ body + 1e-4) / (alike @ rest + 1e-4))[patches].reshape(rows, cols)
        evidence = cv2.GaussianBlur(evidence, (0, 0), 1.0) + np.log(prior / (1 - prior))
        chance = 1 / (1 + np.exp(-evidence.ravel()))
    chance = chance.reshape(rows, cols).astype(np.float32)
    _, parts, stats, _ = cv2.connectedComponentsWithStats((chance > 0.5).astype(np.uint8))
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    largest = ((parts == areas.argmax()) & (parts > 0)).astype(np.uint8)
    chance = cv2.GaussianBlur(chance * cv2.dilate(largest, np.ones((3, 3))), (0, 0), 0.7)
    return cv2.resize(_harden(chance), (width, height), interpolation=cv2.INTER_LINEAR)


def _harden(chance: np.ndarray) -> np.ndarray:
    """Turn chances (h, w) into alpha, 0 along the border; tighter than a half, so that less ground comes along."""
    alpha = np.clip((chance - 0.35) / 0.5, 0, 1)
    alpha[[0, -1]] = 0
    alpha[:, [0, -1]] = 0
    return alpha


def _divide(img: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patch (h * w,) of each pixel, and the centres (k, 5) of the patches: colour and place."""
    rows, cols = img.shape[:2]
    color = cv2.cvtColor(cv2.GaussianBlur(img, (0, 0), 0.8), cv2.COLOR_BGR2LAB)
    y, x = np.mgrid[:PATCH_SCALE[0]:rows * 1j, :PATCH_SCALE[1]:cols * 1j]
    points = np.dstack([color, y, x]).reshape(-1, 5).astype(np.float32)
    cv2.setRNGSeed(0)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, patches, centers = cv2.kmeans(points, NUM_PATCHES, None, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return patches.ravel(), centers


def cut_out(crop: np.ndarray) -> Cutout:
    """Cut the person of a crop out; with the outline of :func:`body_prior` where too little stands out."""
    zoom = max(1.0, MIN_CROP_SIDE / min(crop.shape[:2]))
    crop = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC) if zoom > 1 else crop
    alpha = body_mask(crop)
    width, height = np.diff(alpha_box(alpha).reshape(2, 2), axis=0)[0]
    if height < 0.6 * crop.shape[0] or width < 0.2 * crop.shape[1]:
        alpha = _harden(body_prior(*crop.shape[:2]))
    return Cutout(crop, alpha, alpha_box(alpha))


def alpha_box(alpha: np.ndarray) -> np.ndarray:
    """Box (4,) int, xyxy, around all alpha of 0.5 and more; zeros where there is none."""
    rows, cols = (np.flatnonzero((alpha >= 0.5).any(axis=axis)) for axis in (1, 0))
    return np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1]) if len(rows) else np.zeros(4, int)


def draw_perspective(rng: np.random.Generator) -> Perspective:
    """Draw one of a camera at or above eye level, over the range of PRW's cameras."""
    horizon, slope = rng.uniform(0.26, 0.42), rng.uniform(0.8, 1.05)
    return Perspective(horizon, slope, horizon + 0.05)


def draw_box(ratio: float, perspective: Perspective, size: tuple[int, int], rng: np.random.Generator,
             beside: np.ndarray | None = None) -> np.ndarray:
    """Draw where a person stands and, from that, how large they look; or, with ``beside``, next to somebody.

    Args:
        ratio (float): Width / height of the body.
        perspective (Perspective): Of the camera.
        size (tuple[int, int]): (H, W).
        rng (np.random.Generator): Source of the draw.
        beside (np.ndarray | None): Box (4,) of whom to stand beside. Default: None, anywhere.

    Returns:
        np.ndarray: (4,) int box, xyxy, inside of the picture.
    """
    rows, cols = size
    stature = np.exp(rng.normal(0, STATURE_SPREAD))
    if beside is None:
        share = np.clip(MEDIAN_HEIGHT * np.exp(rng.normal(0, HEIGHT_SPREAD)), *HEIGHT_RANGE)
        foot = np.clip(perspective.horizon + share / stature / perspective.slope, perspective.ground, 1)
    else:
        foot = np.clip(beside[3] / rows + rng.normal(0, 0.015), perspective.ground, 1)
        share = np.clip(stature * perspective.slope * (foot - perspective.horizon), *HEIGHT_RANGE)
    height = max(round(share * rows), 2)
    width = min(max(round(height * ratio), 1), cols)
    if beside is None:
        left = rng.uniform(0, cols - width)
    else:
        left = (beside[0] + beside[2] - width) / 2 + rng.choice([-1, 1]) * rng.uniform(0.6, 1.5) * width
    left, bottom = round(min(max(left, 0), cols - width)), max(round(foot * rows), height)
    return np.array([left, bottom - height, left + width, bottom])


def place_people(ratios: Sequence[float], perspective: Perspective, size: tuple[int, int],
                 rng: np.random.Generator) -> np.ndarray:
    """Place people so that nobody hides more than :data:`MAX_OVERLAP` of another's box.

    Args:
        ratios (Sequence[float]): P times width / height of a body.
        perspective, size, rng: See :func:`draw_box`.

    Returns:
        np.ndarray: (P, 4) int boxes, xyxy; zeros for those for whom no place was found.
    """
    boxes = np.zeros((len(ratios), 4), int)
    for index, ratio in enumerate(ratios):
        taken = boxes[:index][boxes[:index, 3] > 0]
        for _ in range(NUM_TRIES):
            with_somebody = len(taken) > 0 and rng.random() < BESIDE_SHARE
            box = draw_box(ratio, perspective, size, rng, taken[rng.integers(len(taken))] if with_somebody else None)
            if covered_shares(box, taken).max(initial=0) <= MAX_OVERLAP:
                boxes[index] = box
                break
    return boxes


def covered_shares(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share (n,) of the farther box that the nearer one covers, between a box (4,) and others (n, 4).

    The one with lower feet is nearer, at the same height one of the others.

    Example:
        >>> covered_shares(np.array([0, 0, 10, 20]), np.array([[5, 0, 15, 40], [5, 0, 10, 10]])).tolist()
        [0.5, 1.0]
    """
    overlap = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    area, areas = np.prod(box[2:] - box[:2]), np.prod(others[:, 2:] - others[:, :2], axis=1)
    return np.prod(overlap.clip(0), axis=1) / np.where(others[:, 3] >= box[3], area, areas)


def match_light(img: np.ndarray, alpha: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Move brightness and contrast of a crop a little from those of its own surroundings to those of the new ones.

    Args:
        img (np.ndarray): (h, w, 3) uint8 crop.
        alpha (np.ndarray): (h, w) its body.
        patch (np.ndarray): (h', w', 3) uint8, the picture behind it.

    Returns:
        np.ndarray: (h, w, 3) float32 from 0 to 255.
    """
    img, patch, own = img.astype(np.float32), patch.astype(np.float32), img[alpha < 0.1].astype(np.float32)
    if own.size < 100 or patch.size < 100:
        return img
    contrast = np.clip((patch.std() + 8) / (own.std() + 8), 0.25, 4) ** LIGHT_SHARE
    brightness = own.mean() + LIGHT_SHARE * (patch.mean() - own.mean())
    return np.clip((img - own.mean()) * contrast + brightness, 0, 255)


def compose(background: np.ndarray, people: Sequence[Cutout], boxes: np.ndarray,
            min_visibility: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paste people, the lowest feet in front; those of whom too little would be seen are left out.

    Args:
        background (np.ndarray): (H, W, 3).
        people (Sequence[Cutout]): P people.
        boxes (np.ndarray): (P, 4) int, xyxy, where their bodies go; zeros: nowhere.
        min_visibility (float): Least visible share of a body, 0 to 1.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: The picture (H, W, 3); boxes (P, 4) int of the pasted bodies, hidden
        parts included, within the picture; their visible shares (P,), 0 for those left out.
    """
    canvas = np.zeros(background.shape, np.float32)
    free = np.ones(background.shape[:2], np.float32)  # what people in front leave to those behind
    pasted, shares = np.zeros((len(people), 4), int), np.zeros(len(people))
    for index in np.argsort(-boxes[:, 3], kind='stable'):
        if boxes[index, 3] == 0:
            continue
        alpha, color, (x1, y1, x2, y2) = _fit(people[index], boxes[index], background)
        seen = free[y1:y2, x1:x2] * alpha
        share = seen.sum() / max(alpha.sum(), 1e-6)
        if alpha.max(initial=0) < 0.5 or share < min_visibility:
            continue
        canvas[y1:y2, x1:x2] += seen[..., None] * color
        free[y1:y2, x1:x2] -= seen
        pasted[index], shares[index] = alpha_box(alpha) + (x1, y1, x1, y1), share
    canvas += free[..., None] * background
    return np.round(canvas).astype(np.uint8), pasted, shares


def _fit(person: Cutout, box: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha (h', w') and colours (h', w', 3) scaled so that the body fills ``box``, and the window (4,) they go to."""
    scale = (box[3] - box[1]) / (person.bbox[3] - person.bbox[1])
    rows, cols = (max(1, round(scale * side)) for side in person.alpha.shape)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    alpha = cv2.resize(person.alpha, (cols, rows), interpolation=how).clip(0, 1)
    x, y = np.round(box[:2] - scale * person.bbox[:2]).astype(int)
    x1, y1 = max(x, 0), max(y, 0)
    x2, y2 = min(x + cols, background.shape[1]), min(y + rows, background.shape[0])
    color = match_light(person.img, person.alpha, background[y1:y2, x1:x2])
    color = cv2.resize(color, (cols, rows), interpolation=how).clip(0, 255)
    inside = np.s_[y1 - y:y2 - y, x1 - x:x2 - x]
    return alpha[inside], color[inside], np.array([x1, y1, x2, y2])
