"""Randomness that belongs to a sample: the same picture comes out whatever process, worker or restart makes it."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class SeededIndex(int):
    """A dataset index that carries the seed of its sample.

    Subtraction and modulo keep the seed, so it passes through mmengine's ``ConcatDataset`` and ``RepeatDataset``.

    Example:
        >>> index = SeededIndex(7, seed=123)
        >>> index == 7, index.seed, (index - 5).seed
        (True, 123, 123)
    """

    seed: int

    def __new__(cls, index: int, seed: int) -> 'SeededIndex':
        self = super().__new__(cls, index)
        self.seed = seed
        return self

    def __getnewargs__(self) -> tuple[int, int]:
        return int(self), self.seed

    def __sub__(self, other: int) -> 'SeededIndex':
        return self._derive(int.__sub__(self, other))

    def __mod__(self, other: int) -> 'SeededIndex':
        return self._derive(int.__mod__(self, other))

    def _derive(self, value: int) -> 'SeededIndex':
        return value if value is NotImplemented else SeededIndex(value, self.seed)


def sample_seed(run_seed: int, epoch: int, index: int) -> int:
    """Hash the run's seed, the epoch and the dataset index into the 32-bit seed of one sample.

    Example:
        >>> sample_seed(0, 1, 2) == sample_seed(0, 1, 2) != sample_seed(0, 2, 1)
        True
    """
    return int(np.random.SeedSequence((run_seed, epoch, index)).generate_state(1)[0])


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Run a block with ``random``, NumPy and torch's CPU generator seeded, then put their states back.

    Args:
        seed (int | None): 32-bit seed; None leaves the generators as they are.
    """
    if seed is None:
        yield
        return
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    # torch.manual_seed would also reseed every GPU, whose generators belong to the model.
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
