"""Who is in which composed scene: identities, bystanders, and the crops that show them."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from pedsearch.datasets.reid_datasets import ReIDDataset
from pedsearch.structures import UNLABELED

CROWD_SHAPE = 3.5
"""Of the negative binomial number of people per scene; PRW's variance is 3.5 at a mean of 3.16."""

LABELLED_SHARE = 0.8
"""Share of a split's people who keep their identity where nobody says how many."""


@dataclass(frozen=True)
class Figure:
    """One person of a scene: the file of the crop and the identity."""

    path: str
    pid: int


@dataclass(frozen=True)
class ScenePlan:
    """Who is in a scene of a split, and before which camera."""

    split: str
    index: int
    camid: int
    figures: tuple[Figure, ...]


class Deck:
    """Deals cards in shuffled rounds: no card comes twice before all have come once, but for those passed over."""

    def __init__(self, cards: Sequence[Hashable], rng: np.random.Generator) -> None:
        self.cards, self._rng, self._left = list(cards), rng, []

    def deal(self, without: Collection[Hashable] = ()) -> Hashable | None:
        """Take the next card that is not in ``without``; None if there is none."""
        if all(card in without for card in self.cards):
            return None
        if all(card in without for card in self._left):
            self._left += [self.cards[place] for place in self._rng.permutation(len(self.cards))]
        return self._left.pop(next(place for place, card in enumerate(self._left) if card not in without))


def draw_number(mean: float, most: int, rng: np.random.Generator) -> int:
    """Draw a number of people from 1 to ``most``, one more than a negative binomial number of mean ``mean - 1``."""
    while True:
        number = 1 + rng.poisson((mean - 1) * rng.gamma(CROWD_SHAPE) / CROWD_SHAPE)
        if number <= most:
            return int(number)


def choose_people(dataset: ReIDDataset, num_ids: int | None, first: int, rng: np.random.Generator) -> dict[int, int]:
    """Number the people of a split who keep their identity; the others become bystanders.

    People seen by two cameras or more are preferred. In a test split only those who are searched for are people: the
    rest of a gallery may be anything.

    Args:
        dataset (ReIDDataset): The crops.
        num_ids (int | None): How many. Default: :data:`LABELLED_SHARE` of them.
        first (int): Number of the first.
        rng (np.random.Generator): Source of the choice.

    Returns:
        dict[int, int]: Identity in the crops -> identity in the scenes, :data:`UNLABELED` for bystanders.

    Raises:
        ValueError: There are fewer people than asked for.
    """
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    pids = sorted({info['pid'] for info in infos if info['pid'] != UNLABELED and info.get('is_query', True)})
    num_ids = int(np.ceil(LABELLED_SHARE * len(pids))) if num_ids is None else num_ids
    if not 1 <= num_ids <= len(pids):
        raise ValueError(f'--ids must be from 1 to {len(pids)}, the identities of the {dataset.split} crops in '
                         f'{dataset.data_root}, got {num_ids}; ask for fewer or label more')
    cameras = defaultdict(set)
    for info in infos:
        cameras[info['pid']].add(info['camid'])
    order = [pids[place] for place in rng.permutation(len(pids))]
    order.sort(key=lambda pid: len(cameras[pid]) < 2)
    return {pid: first + place if place < num_ids else UNLABELED for place, pid in enumerate(order)}


def plan_scenes(dataset: ReIDDataset, people: dict[int, int], num_scenes: int, crowd: tuple[float, int],
                unlabelled: float, rng: np.random.Generator) -> list[ScenePlan]:
    """Deal people and their crops to scenes.

    A camera gets scenes in proportion to the people whom it saw. Where it saw too few for the number drawn, the scene
    has fewer.

    Args:
        dataset (ReIDDataset): The crops.
        people (dict[int, int]): See :func:`choose_people`.
        num_scenes (int): How many scenes.
        crowd (tuple[float, int]): Mean and largest number of people.
        unlabelled (float): Share of bystanders, 0 to less than 1, as far as there are any.
        rng (np.random.Generator): Source of the deal.
    """
    crops = defaultdict(lambda: defaultdict(list))
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        if info['pid'] in people:
            crops[info['camid']][info['pid']].append(info['img_path'])
    known = {camid: [pid for pid in seen if people[pid] != UNLABELED] for camid, seen in crops.items()}
    camids = sorted(camid for camid in crops if known[camid])
    weights = np.array([len(known[camid]) for camid in camids]) / sum(len(known[camid]) for camid in camids)
    labelled = {camid: Deck(known[camid], rng) for camid in camids}
    nobody = {camid: Deck([pid for pid in crops[camid] if people[pid] == UNLABELED], rng) for camid in camids}
    pictures = {(camid, pid): Deck(paths, rng) for camid in camids for pid, paths in crops[camid].items()}
    plans = []
    for index in range(num_scenes):
        camid = camids[rng.choice(len(camids), p=weights)]
        cast: list[int] = []
        for _ in range(draw_number(*crowd, rng)):
            decks = (nobody, labelled) if rng.random() < unlabelled else (labelled, )
            cast += [pid for pid in (deck[camid].deal(without=cast) for deck in decks) if pid is not None][:1]
        figures = tuple(Figure(pictures[camid, pid].deal(), people[pid]) for pid in cast)
        plans.append(ScenePlan(dataset.split, index, camid, figures))
    return plans
