"""Accuracy of pedestrian attribute recognition, by attribute and by image.

Shape legend: N images, A attributes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

UNKNOWN = -1


@dataclass(frozen=True)
class AttributeAccuracy:
    """How well attributes are told.

    Attributes:
        label_accuracy (np.ndarray): (A,) float64, of each attribute the mean of the shares of positives and of
            negatives that are told right; where one kind does not occur, its share is 0.
        accuracy, precision, recall (float): means over images of |both| / |either|, |both| / |told| and |both| / |true|
            for the sets of attributes told and true; 0 where the divisor is.
    """

    label_accuracy: np.ndarray
    accuracy: float
    precision: float
    recall: float

    @property
    def mean_accuracy(self) -> float:
        """mA: mean of :attr:`label_accuracy`."""
        return float(self.label_accuracy.mean())

    @property
    def f1(self) -> float:
        """Harmonic mean of the averages :attr:`precision` and :attr:`recall`, not a mean over images."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.

    def metrics(self) -> dict[str, float]:
        """``mA``, ``accuracy``, ``precision``, ``recall`` and ``F1`` in [0, 1]."""
        return dict(mA=self.mean_accuracy, accuracy=self.accuracy, precision=self.precision, recall=self.recall,
                    F1=self.f1)


def attribute_accuracy(probs: ArrayLike, targets: ArrayLike, threshold: float = 0.5) -> AttributeAccuracy:
    """Compare what is told with what is true.

    Args:
        probs (ArrayLike): (N, A) in [0, 1]; told are those above the threshold, not those equal to it.
        targets (ArrayLike): (N, A) of 1, 0 and -1; unknown labels count nowhere.
        threshold (float): see ``probs``.

    Raises:
        ValueError: shapes or values do not fit.

    Source: Li et al., "A Richly Annotated Pedestrian Dataset for Person Retrieval in Real Surveillance Scenarios", TIP
    2019. Deviation: unknown labels; images without any attribute count 0 instead of NaN.

    Example:
        >>> targets = [[1, 0, 1], [1, 1, 0], [0, 0, 1], [0, 1, 0]]
        >>> probs = [[.9, .2, .4], [.6, .7, .1], [.3, .6, .8], [.2, .4, .55]]
        >>> {key: round(value, 4) for key, value in attribute_accuracy(probs, targets).metrics().items()}
        {'mA': 0.6667, 'accuracy': 0.5, 'precision': 0.625, 'recall': 0.625, 'F1': 0.625}
    """
    probs, targets = np.asarray(probs, dtype=float), np.asarray(targets)
    if probs.ndim != 2 or probs.shape != targets.shape or not probs.size:
        raise ValueError(f'probs and targets must have one shape (N, A), not empty, got {probs.shape} and '
                         f'{targets.shape}')
    if not np.isin(targets, (0, 1, UNKNOWN)).all():
        raise ValueError(f'targets must be 1, 0 or -1 (unknown), got {np.setdiff1d(targets, (0, 1, UNKNOWN))[0]}')
    if np.isnan(probs).any():
        raise ValueError('probs must be numbers, got NaN; look for an overflow in the model')
    true, known = targets == 1, targets != UNKNOWN
    told = (probs > threshold) & known
    right_positives = _share((told & true).sum(axis=0), true.sum(axis=0))
    right_negatives = _share((~told & ~true & known).sum(axis=0), (~true & known).sum(axis=0))
    both = (told & true).sum(axis=1)
    return AttributeAccuracy(
        (right_positives + right_negatives) / 2,
        *(float(_share(both, of.sum(axis=1)).mean()) for of in (told | true, told, true)))


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
