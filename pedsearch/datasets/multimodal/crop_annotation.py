"""From unlabelled crops to annotations: which crops to take, and labels of probabilities.

Shape legend: N crops, A attributes.
"""

import os.path as osp
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from .annotations import UNKNOWN, DescribedImage
from .template_captions import template_captions

DIGITS = 4
"""Decimals of a probability that are kept. It is rounded before it is compared, so files agree with themselves."""


@dataclass(frozen=True)
class CropRule:
    """Which crops are worth it: sizes in pixels, and height / width, all inclusive.

    Source: own.

    Example:
        >>> rule = CropRule()
        >>> [rule.reason(*size) for size in ((160, 64), (79, 40), (96, 31), (80, 80), (200, 40))]
        ['', 'too low', 'too narrow', 'too wide for its height', 'too tall for its width']
    """

    min_height: int = 80
    min_width: int = 32
    min_aspect: float = 1.2
    max_aspect: float = 4.0

    def __post_init__(self) -> None:
        if self.min_height < 1 or self.min_width < 1 or not 0 < self.min_aspect <= self.max_aspect:
            raise ValueError('expected least height and width >= 1 and 0 < least aspect <= greatest aspect, got '
                             f'{self.min_height}, {self.min_width}, {self.min_aspect}, {self.max_aspect}')

    def reason(self, height: int, width: int) -> str:
        """Why a crop is left out, empty if it is not."""
        if height < self.min_height:
            return 'too low'
        if width < self.min_width:
            return 'too narrow'
        if height < self.min_aspect * width:
            return 'too wide for its height'
        return 'too tall for its width' if height > self.max_aspect * width else ''


def select_crops(root: str, names: Iterable[str], rule: CropRule) -> tuple[list[str], Counter]:
    """The crops that a rule takes, and how many it leaves out for what reason.

    Only the head of a file is read, so a file may still prove broken.

    Args:
        root (str): folder of the crops.
        names (Iterable[str]): paths below it.
        rule (CropRule): which are taken.
    """
    taken, left_out = [], Counter()
    for name in names:
        try:
            with Image.open(osp.join(root, name)) as image:
                reason = rule.reason(image.height, image.width)
        except (UnidentifiedImageError, Image.DecompressionBombError):
            reason = 'no picture'
        if reason:
            left_out[reason] += 1
        else:
            taken.append(name)
    return taken, left_out


def label_probabilities(probs: np.ndarray, high: float = 0.7, low: float = 0.3) -> np.ndarray:
    """Labels of probabilities: what is likely is so, what is unlikely is not, the rest is unknown.

    Args:
        probs (np.ndarray): (..., A) in [0, 1].
        high (float): 1 from here on.
        low (float): 0 up to here.

    Returns:
        np.ndarray: (..., A) int64 of 1, 0 and -1.

    Raises:
        ValueError: ``0 <= low < high <= 1`` does not hold.

    Example:
        >>> label_probabilities(np.array([0.7, 0.6999, 0.3, 0.3001])).tolist()
        [1, -1, 0, -1]
    """
    if not 0 <= low < high <= 1:
        raise ValueError(f'thresholds must be 0 <= low < high <= 1, got low {low} and high {high}')
    return np.where(probs >= high, 1, np.where(probs <= low, 0, UNKNOWN))


def annotate_crops(probs: Mapping[str, Sequence[float]], schema: str, names: Sequence[str], num_captions: int,
                   seed: int, high: float = 0.7, low: float = 0.3) -> list[DescribedImage]:
    """Annotations of crops of unknown people, all of the training split.

    Args:
        probs (Mapping[str, Sequence[float]]): path of a crop -> A probabilities, in the order of the numbers that
            images get.
        schema (str): name of the attribute schema.
        names (Sequence[str]): of A attributes.
        num_captions (int): captions drawn for a crop; equal ones and those that say nothing are left out.
        seed (int): decides the words.
        high, low (float): see :func:`label_probabilities`.

    Returns:
        list[DescribedImage]: with ``attrs``, ``attr_scores`` and captions of source 'template'.

    Raises:
        ValueError: thresholds are out of order or ``num_captions`` is negative.
    """
    images = []
    for number, (path, values) in enumerate(probs.items()):
        labels = label_probabilities(np.asarray(values), high, low).tolist()
        captions = template_captions(names, labels, num_captions, (seed, 0, number))
        images.append(DescribedImage(number, path, 'train', captions=captions, attrs={schema: labels},
                                     attr_scores={schema: list(values)}))
    return images
