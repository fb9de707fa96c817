"""A small synthetic world for person search: dressed people walk through the views of a few cameras.

Everything is drawn from one seed. An image depends only on (seed, split, index), so neither the order in which images
are rendered nor the number of processes changes a byte.

Shape legend: H x W pixels of the image, s samples per pixel side, P people of one image.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pedsearch.structures import UNLABELED

from .bodies import BodyProvider, Gait
from .clothing import sample_outfit
from .crowd import Character, Visit, draw_people, drop_hidden, find_spot, ground_light, mask_box
from .garments import build_wardrobe
from .sites import STYLES, build_site, develop, shade

SPLITS = ('train', 'test')


@dataclass(frozen=True)
class ToyWorldConfig:
    """Size and difficulty of a toy world.

    Args:
        image_size (tuple[int, int]): (height, width) in pixels.
        num_cameras (int): Cameras, each in a place of its own.
        num_train_ids, num_test_ids (int): Identities; the two sets are disjoint.
        num_train_images, num_test_images (int): Images.
        people (tuple[int, int]): Fewest and most people of an image.
        unlabeled_share (float): Share of people without identity, in [0, 1).
        person_height (tuple[float, float]): Height of people in pixels, far and near, for an adult of 1.75 m.
        min_visibility (float): People of whom less is visible are taken out of the picture, so that everyone in it is
            annotated.
        query_visibility (float): Least visibility of a query.
        queries_per_id (int): Most queries of one identity, from different cameras.
        supersample (int): Samples per pixel side.
        seed (int): Everything is drawn from it.
    """

    image_size: tuple[int, int] = (288, 512)
    num_cameras: int = 4
    num_train_ids: int = 60
    num_test_ids: int = 30
    num_train_images: int = 320
    num_test_images: int = 160
    people: tuple[int, int] = (2, 6)
    unlabeled_share: float = 0.12
    person_height: tuple[float, float] = (64.0, 172.0)
    min_visibility: float = 0.2
    query_visibility: float = 0.7
    queries_per_id: int = 2
    supersample: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_cameras < 1:
            raise ValueError(f'num_cameras must be >= 1, got {self.num_cameras}')
        if not 1 <= self.people[0] <= self.people[1]:
            raise ValueError(f'people must be (fewest, most) with 1 <= fewest <= most, got {self.people}')
        smallest = min(self.num_train_ids, self.num_test_ids)
        if self.people[1] > smallest:
            raise ValueError(
                f'people allows {self.people[1]} in one image but a split has only {smallest} identities; lower people '
                'or raise num_train_ids / num_test_ids'
            )
        if not 0 <= self.unlabeled_share < 1:
            raise ValueError(f'unlabeled_share must lie in [0, 1), got {self.unlabeled_share}')

    def num_images(self, split: str) -> int:
        return self.num_train_images if split == 'train' else self.num_test_images

    def pids(self, split: str) -> range:
        """Identities of a split."""
        total = self.num_train_ids + self.num_test_ids
        return range(self.num_train_ids) if split == 'train' else range(self.num_train_ids, total)


PRESETS: dict[str, ToyWorldConfig] = {
    'demo': ToyWorldConfig(),
    'tiny': ToyWorldConfig(
        image_size=(144, 256), num_cameras=3, num_train_ids=12, num_test_ids=6, num_train_images=24,
        num_test_images=16, people=(2, 4), person_height=(44.0, 92.0),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Annotation:
    """One person of a rendered image.

    Args:
        pid (int): Identity or :data:`~pedsearch.structures.UNLABELED`.
        bbox (tuple[float, float, float, float]): (x1, y1, x2, y2) in pixels around the whole silhouette, also where it
            is hidden, clipped to the image.
        visibility (float): Visible share of the whole silhouette.
        character (Character): Who.
    """

    pid: int
    bbox: tuple[float, float, float, float]
    visibility: float
    character: Character


@dataclass(frozen=True)
class Scene:
    """A rendered image.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB.
        camid (int): Camera.
        annotations (list[Annotation]): Everyone in the picture.
        silhouettes (Tensor): (P, sH, sW) bool, whole people within the image.
    """

    image: np.ndarray
    camid: int
    annotations: list[Annotation]
    silhouettes: Tensor = field(repr=False)


class ToyWorld:
    """People, cameras and the schedule of who is seen where.

    Args:
        config (ToyWorldConfig): The world.
        body (BodyProvider): Where bodies come from.
    """

    def __init__(self, config: ToyWorldConfig, body: BodyProvider) -> None:
        self.config = config
        self.body = body
        self.wardrobe = build_wardrobe(body)
        self.sites = [
            build_site(
                STYLES[camid % len(STYLES)], config.image_size, config.person_height, config.supersample,
                np.random.default_rng([config.seed, 101, camid]),
            )
            for camid in range(config.num_cameras)
        ]  # fmt: skip
        self.characters = self._cast()
        self.schedule = {split: self._deal(split) for split in SPLITS}

    def _rng(self, purpose: int, split: str, index: int = 0) -> np.random.Generator:
        return np.random.default_rng([self.config.seed, purpose, SPLITS.index(split), index])

    def _cast(self) -> list[Character]:
        """Identities, no two in the same upper and lower clothes."""
        rng = np.random.default_rng([self.config.seed, 102])
        cast: dict[tuple, Character] = {}
        while len(cast) < self.config.num_train_ids + self.config.num_test_ids:
            outfit, shape = sample_outfit(rng)
            cast.setdefault(outfit.look(), Character(outfit, shape))
        return list(cast.values())

    def _deal(self, split: str) -> list[list[int]]:
        """Who is in which image: every camera deals from its own shuffled decks of identities."""
        config = self.config
        rng = self._rng(103, split)
        decks: list[list[int]] = [[] for _ in range(config.num_cameras)]
        schedule = []
        for index in range(config.num_images(split)):
            deck = decks[index % config.num_cameras]
            pids: list[int] = []
            for _ in range(rng.integers(config.people[0], config.people[1] + 1)):
                if rng.random() < config.unlabeled_share:
                    pids.append(UNLABELED)
                    continue
                if all(pid in pids for pid in deck):
                    deck.extend(rng.permutation(config.pids(split)).tolist())
                pids.append(deck.pop(next(i for i, pid in enumerate(deck) if pid not in pids)))
            schedule.append(pids)
        return schedule

    def visits(self, split: str, index: int) -> list[Visit]:
        """The people of image ``index``, before hidden ones are taken out."""
        rng = self._rng(104, split, index)
        site = self.sites[index % len(self.sites)]
        visits: list[Visit] = []
        for pid in self.schedule[split][index]:
            character = Character(*sample_outfit(rng)) if pid == UNLABELED else self.characters[pid]
            gait = Gait(rng.uniform(0, 2 * math.pi), rng.choice([0.15, 0.7, 0.85, 1.0]))
            heading = rng.uniform(-math.pi, math.pi)
            spot = find_spot(site, [visit.position for visit in visits], rng)
            if spot is not None:
                visits.append(Visit(pid, character, gait, spot, heading))
        return visits

    def render(self, split: str, index: int) -> Scene:
        """Draw one image.

        Args:
            split (str): 'train' or 'test'.
            index (int): Image of the split; its camera is ``index % num_cameras``.
        """
        return self.render_visits(split, index, self.visits(split, index))

    def render_visits(self, split: str, index: int, visits: list[Visit]) -> Scene:
        """Draw other people in the place and light of an image.

        Args:
            split (str), index (int): The image.
            visits (list[Visit]): The people; who is hidden is taken out.
        """
        config = self.config
        camid = index % len(self.sites)
        site, side = self.sites[camid], config.supersample
        backdrop = site.backdrop
        size = tuple(backdrop.depth.shape)
        drawn = draw_people(visits, self.body, self.wardrobe, site.camera.resized(side), size)
        visibility = drop_hidden(drawn, backdrop.depth, config.min_visibility)

        rng = self._rng(105, split, index)
        sun_color = site.sun_color * float(rng.uniform(0.88, 1.08))
        sunlit, skylit = ground_light(site, [drawn[i] for i in visibility], side)
        light = shade(backdrop.albedo, backdrop.normal, site, sun_color, sunlit, skylit)
        light = torch.where(backdrop.is_sky[..., None], backdrop.albedo, light)
        depth = backdrop.depth.clone()
        silhouettes = torch.zeros(len(visibility), *size, dtype=torch.bool)
        annotations = []
        for mask, i in zip(silhouettes, visibility, strict=True):
            person, fragments = drawn[i], drawn[i].fragments
            mask[fragments.row, fragments.col] = True
            annotations.append(Annotation(visits[i].pid, mask_box(mask, side), visibility[i], visits[i].character))
            front = fragments.depth < depth[fragments.row, fragments.col]
            pixel = (fragments.row[front], fragments.col[front])
            depth[pixel] = fragments.depth[front]
            light[pixel] = shade(person.albedo[front], person.normal[front], site, sun_color, view=person.view[front])
        return Scene(develop(light, site, side, rng), camid, annotations, silhouettes)
