"""Batches that wait for the optimizer's step."""

import torch
from torch import Tensor


class PendingUpdate:
    """Keeps what a memory is to be updated with until the step is done.

    With gradient accumulation several batches gather; they are written in their order.

    Example:
        >>> pending = PendingUpdate()
        >>> pending.add(torch.ones(2, 3), torch.tensor([0, 1]))
        >>> [tuple(rows.shape) for rows in pending.take()[0]]
        [(2, 3), (2,)]
    """

    def __init__(self) -> None:
        self._batches: list[tuple[Tensor, ...]] = []

    def add(self, *rows: Tensor) -> None:
        """Keep rows of one batch, without their graph; none where no gradient is computed, as in a validation."""
        if not torch.is_grad_enabled():
            return
        self._batches.append(tuple(row.detach() for row in rows))

    def take(self) -> list[tuple[Tensor, ...]]:
        """What was kept since the last call."""
        batches, self._batches = self._batches, []
        return batches
