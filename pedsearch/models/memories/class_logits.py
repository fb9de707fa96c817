"""Logits over the classes that labels make of memory rows.

Shape legend: B embeddings, R rows, K classes, D embedding dimensions.
"""

from typing import Any

import torch
from torch import Tensor

from .cluster_memory import cluster_sums


def class_logits(embed: Tensor, rows: Tensor, labels: Tensor, num_classes: int, temperature: float) -> Tensor:
    """Mean similarity of embeddings to the rows of each class, divided by the temperature.

    It is the similarity to the mean of the rows, which is not normalised. Rows get no gradient, and backward does not
    need them: they may change before.

    Args:
        embed (Tensor): (B, D), L2-normalised.
        rows (Tensor): (R, D).
        labels (Tensor): (R,) int64 in 0...K-1.
        num_classes (int): K.
        temperature (float): > 0.

    Returns:
        Tensor: (B, K); -inf for a number that no row has.

    Example:
        >>> class_logits(torch.eye(2), torch.eye(2), torch.tensor([0, 2]), 3, temperature=.5)
        tensor([[2., -inf, 0.],
                [0., -inf, 2.]])
    """
    with torch.no_grad():
        sums, sizes = cluster_sums(rows, labels, num_classes)
        means = sums / sizes.clamp(min=1)[:, None]
        shift = torch.zeros_like(sizes).masked_fill_(sizes == 0, -torch.inf)
    return torch.addmm(shift, embed / temperature, means.T)  # (B, D) @ (D, K) -> (B, K)


class ClassCount:
    """Number of classes of a labelling, read from its tensor once, for reading waits for the device.

    It is read again where another tensor is asked for, or the same one after a change in place.

    Example:
        >>> count, labels = ClassCount(), torch.tensor([0, 4])
        >>> count(labels)
        5
    """

    def __init__(self) -> None:
        self._labels: Tensor | None = None
        self._version = 0
        self._count = 0

    def __call__(self, labels: Tensor) -> int:
        """Largest of labels (R,) plus 1, 0 without labels."""
        if labels is not self._labels or labels._version != self._version:
            self._count = int(labels.max()) + 1 if len(labels) else 0
            self._labels, self._version = labels, labels._version
        return self._count

    def __reduce__(self) -> tuple[Any, ...]:
        return ClassCount, ()  # copies of a tensor count their versions anew
