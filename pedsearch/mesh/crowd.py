"""People in front of a camera: where each stands, what each covers, and how much of each is seen.

Shape legend: P people of one image, V vertices, F triangles, N fragments of one person, sH x sW samples.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from .bodies import BodyProvider, BodyShape, Gait
from .cameras import PinholeCamera
from .clothing import Outfit, albedo, cloth_thickness
from .garments import Wardrobe
from .renderers import Fragments, rasterize, vertex_normals
from .sites import Site, cast_shadow, soften

PERSONAL_SPACE = 0.5
"""Least distance of two people on the ground, metres."""


@dataclass(frozen=True)
class Character:
    """One person of the world, whatever the camera."""

    outfit: Outfit
    shape: BodyShape


@dataclass(frozen=True)
class Visit:
    """One person in one image.

    Args:
        pid (int): Identity or :data:`~pedsearch.structures.UNLABELED`.
        character (Character): Who.
        gait (Gait): Moment of the walk.
        position (tuple[float, float]): World x, y in metres.
        heading (float): Radians; 0 walks towards -y, that is towards the camera.
    """

    pid: int
    character: Character
    gait: Gait
    position: tuple[float, float]
    heading: float


@dataclass(frozen=True)
class Drawn:
    """A person drawn alone.

    Args:
        vertices (Tensor): (V, 3) in the world.
        faces (Tensor): (F, 3) worn triangles.
        fragments (Fragments): N of them, within the image.
        total (int): Fragments with those beyond the edges of the image.
        normal, view, albedo (Tensor): (N, 3) unit normal, unit direction to the camera, linear RGB.
    """

    vertices: Tensor
    faces: Tensor
    fragments: Fragments
    total: int
    normal: Tensor
    view: Tensor
    albedo: Tensor


def find_spot(site: Site, taken: list[tuple[float, float]], rng: np.random.Generator) -> tuple[float, float] | None:
    """A free spot on the ground, often beside somebody, so that people hide one another.

    Args:
        site (Site): The place.
        taken (list[tuple[float, float]]): Where people stand already.
        rng (np.random.Generator): Source of the draw.

    Returns:
        tuple[float, float] | None: World x, y in metres; None after 60 failed draws.
    """
    near, far = site.depth_range
    for _ in range(60):
        if taken and rng.random() < 0.4:
            x, y = taken[rng.integers(len(taken))]
            angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0.55, 1.3)
            x, y = x + reach * math.cos(angle), y + reach * math.sin(angle)
        else:
            y = 1 / rng.uniform(1 / far, 1 / near)  # uniform in size in the image
            x = rng.uniform(-1, 1) * site.half_width(y)
        if not near <= y <= far or abs(x) > 0.97 * site.half_width(y) or not site.is_free(x, y, 0.3):
            continue
        if not any(_crowds(x, y, other) for other in taken):
            return x, y
    return None


def _crowds(x: float, y: float, other: tuple[float, float]) -> bool:
    """Whether two people touch or one would hide almost all of the other: nearly the same bearing."""
    ox, oy = other
    return math.hypot(x - ox, y - oy) < PERSONAL_SPACE or abs(x / y - ox / oy) < 0.16 / max(y, oy)


def draw_people(
    visits: list[Visit], body: BodyProvider, wardrobe: Wardrobe, camera: PinholeCamera, image_size: tuple[int, int]
) -> list[Drawn]:
    """Pose, dress, place and rasterise people, each with a z-buffer of their own.

    Args:
        visits (list[Visit]): P people.
        body (BodyProvider), wardrobe (Wardrobe): What they are made of and can wear.
        camera (PinholeCamera): For ``image_size``.
        image_size (tuple[int, int]): (sH, sW).
    """
    if not visits:
        return []
    posed = body.pose([v.character.shape for v in visits], [v.gait for v in visits], wardrobe.attachments)
    return [
        _draw(visit, vertices, body.height, wardrobe, camera, image_size)
        for visit, vertices in zip(visits, posed, strict=True)
    ]


def _draw(
    visit: Visit,
    vertices: Tensor,
    height: float,
    wardrobe: Wardrobe,
    camera: PinholeCamera,
    image_size: tuple[int, int],
) -> Drawn:
    outfit = visit.character.outfit
    worn = torch.isin(wardrobe.pieces, torch.tensor(sorted(outfit.pieces())))
    faces, pieces = wardrobe.faces[worn], wardrobe.pieces[worn]
    vertices = wardrobe.drape(vertices, faces, cloth_thickness(outfit, wardrobe) * height)
    cos, sin = math.cos(visit.heading), math.sin(visit.heading)
    turn = torch.tensor([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    vertices = vertices @ turn + torch.tensor([*visit.position, 0.0], dtype=torch.float32)
    hits = rasterize(camera.project(vertices), faces, image_size, clip=False)
    rows, cols = image_size
    fragments = hits[(hits.row >= 0) & (hits.row < rows) & (hits.col >= 0) & (hits.col < cols)]
    normal = normalize(fragments.interpolate(vertex_normals(vertices[None], faces)[0], faces), dim=-1)
    view = normalize(camera.position - fragments.interpolate(vertices, faces), dim=-1)
    # Hair and skirt are single sheets, seen from inside too.
    normal = torch.where((normal * view).sum(-1, keepdim=True) < 0, -normal, normal)
    color = albedo(
        outfit, pieces[fragments.face], fragments.interpolate(wardrobe.rest, faces),
        fragments.interpolate(wardrobe.arm, faces),
    )  # fmt: skip
    return Drawn(vertices, faces, fragments, len(hits), normal, view, color)


def drop_hidden(people: list[Drawn], backdrop: Tensor, least: float) -> dict[int, float]:
    """Take out whoever is hidden, the most hidden first, and measure the rest.

    Args:
        people (list[Drawn]): P people.
        backdrop (Tensor): (sH, sW) depth of the place.
        least (float): Visible share that lets a person stay, in [0, 1].

    Returns:
        dict[int, float]: Index of everyone who stays -> visible share of the whole silhouette, in [0, 1]; what the
        edge of the image cuts off counts as hidden.
    """
    shown = list(range(len(people)))
    while True:
        depth = backdrop.clone()
        for i in shown:
            pixel = (people[i].fragments.row, people[i].fragments.col)
            depth[pixel] = torch.minimum(depth[pixel], people[i].fragments.depth)
        visibility = {}
        for i in shown:
            fragments = people[i].fragments
            seen = int((fragments.depth <= depth[fragments.row, fragments.col]).sum())
            visibility[i] = seen / max(people[i].total, 1)
        worst = min(shown, key=visibility.get, default=None)
        if worst is None or visibility[worst] >= least:
            return visibility
        shown.remove(worst)


def ground_light(site: Site, people: list[Drawn], supersample: int) -> tuple[Tensor, Tensor]:
    """What people take from the light on the ground.

    Args:
        site (Site): The place.
        people (list[Drawn]): Who stands there.
        supersample (int): Samples per pixel side.

    Returns:
        tuple[Tensor, Tensor]: (sH, sW) in [0, 1] each: share of the sun that arrives, share of the sky that arrives.
    """
    camera = site.camera.resized(supersample)
    size = tuple(site.backdrop.depth.shape)
    sun, sky = torch.ones(size), torch.ones(size)
    upright = torch.tensor([0.0, 0.0, 1.0])
    for person in people:
        dark = rasterize(camera.project(cast_shadow(person.vertices, site.sun)), person.faces, size)
        sun[dark.row, dark.col] = 0
        low = person.faces[(person.vertices[person.faces][..., 2] < 0.35).all(1)]  # feet and shins
        dark = rasterize(camera.project(cast_shadow(person.vertices, upright)), low, size)
        sky[dark.row, dark.col] = 0
    is_ground = site.backdrop.is_ground
    sun = torch.where(is_ground, soften(sun, 2 * supersample + 1), 1.0)
    sky = torch.where(is_ground, soften(sky, 6 * supersample + 1), 1.0)
    return torch.minimum(sun, site.backdrop.sunlit), 0.35 + 0.65 * sky


def mask_box(mask: Tensor, supersample: int) -> tuple[float, float, float, float]:
    """Tight box (x1, y1, x2, y2) in pixels around the samples of a (sH, sW) bool mask with at least one set."""
    rows, cols = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    edges = (cols[0], rows[0], cols[-1] + 1, rows[-1] + 1)
    return tuple(float(edge) / supersample for edge in edges)
