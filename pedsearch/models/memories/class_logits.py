"""Logits over the classes that labels make of memory rows.

Shape legend: B embeddings, R rows, K classes, D embedding dimensions.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
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


def row_products(left: Tensor, right: Tensor) -> Tensor:
    """Scalar products (M, N) of rows (M, D) and (N, D), without gradient.

    For float32 on a CPU by oneDNN, where torch has it: unlike MKL, which ``@`` calls, it takes the widest vectors of
    every maker's processors, up to three times as fast.
    """
    with torch.no_grad():
        if left.device.type == 'cpu' and left.dtype == torch.float32 and hasattr(torch.ops.mkldnn, '_linear_pointwise'):
            return torch.ops.mkldnn._linear_pointwise(left, right, None, 'none', [], '')
        return left @ right.T


class ClassRows(NamedTuple):
    """Which rows belong to each of the classes 0...K-1.

    Attributes:
        order (Tensor): (R,) int64, the rows of class 0, of class 1, ...
        starts (Tensor): (K,) int64, where those of each class begin.
        shift (Tensor, optional): (K,) -inf for a class without rows, else 0; None where all classes have rows.
    """

    order: Tensor
    starts: Tensor
    shift: Tensor | None


def class_means(rows: Tensor, classes: ClassRows) -> Tensor:
    """Mean row (K, D) of each class, of rows (R, D), always summed in one order; zero for a class without rows."""
    return F.embedding_bag(classes.order, rows, classes.starts, mode='mean')


class ClassCount:
    """Number and rows of the classes of a labelling, made from its tensor once, for reading it waits for the device.

    They are made again where another tensor is asked for, or the same one after a change in place.

    Example:
        >>> count, labels = ClassCount(), torch.tensor([4, 0])
        >>> count(labels)
        5
        >>> count.rows(labels).order
        tensor([1, 0])
    """

    def __init__(self) -> None:
        self._labels: Tensor | None = None
        self._version = 0
        self._count = 0
        self._complete = False
        self._rows: ClassRows | None = None

    def __call__(self, labels: Tensor) -> int:
        """Largest of labels (R,) plus 1, 0 without labels."""
        if labels is not self._labels or labels._version != self._version:
            self._count = int(labels.max()) + 1 if len(labels) else 0
            self._complete = len(labels.unique()) == self._count
            self._labels, self._version, self._rows = labels, labels._version, None
        return self._count

    def rows(self, labels: Tensor) -> ClassRows:
        """Rows of each class of labels (R,)."""
        count = self(labels)
        if self._rows is None:
            by_class, order = labels.sort(stable=True)
            edges = torch.searchsorted(by_class, torch.arange(count + 1, device=labels.device))
            shift = None if self._complete else torch.zeros(count, device=labels.device).masked_fill_(
                edges[1:] == edges[:-1], -torch.inf)
            self._rows = ClassRows(order, edges[:-1], shift)
        return self._rows

    def __reduce__(self) -> tuple[Any, ...]:
        return ClassCount, ()  # copies of a tensor count their versions anew
