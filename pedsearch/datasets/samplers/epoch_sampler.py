"""One pass over the dataset per epoch, split over processes position by position."""

from collections.abc import Iterator, Sized

import torch

from pedsearch.registry import DATA_SAMPLERS

from ..seeding import SeededIndex, sample_seed
from .resumable_sampler import ResumableSampler


@DATA_SAMPLERS.register_module()
class EpochSampler(ResumableSampler):
    """Yield every index once per epoch in an order that seed and epoch alone decide.

    Rank r of W takes the global positions r, r + W, r + 2W, ..., so W processes with batch size b see together the
    batches that one process with batch size W·b sees. Each index is a :class:`~pedsearch.datasets.seeding.SeededIndex`.

    Args:
        dataset (Sized): The dataset.
        shuffle (bool): Draw a new order each epoch. Default: True.
        seed (int | None): Run seed; None takes one that all processes share.
        drop_last (bool): Leave the tail that does not fill a group out instead of filling the group from the start
            of the epoch's order. Default: False.
        global_batch_size (int | None): Size of a group, the samples of one step over all processes. None: the number
            of processes. Set it (with the same value) where runs with different numbers of processes must agree to
            the last step.
        contiguous (bool): Rank r takes the r-th contiguous part of every group instead, the order that split batch norm
            and queues of whole batches have in mind. Default: False.

    Raises:
        ValueError: ``global_batch_size`` is no multiple of the number of processes, or the dataset is empty.
    """

    def __init__(self,
                 dataset: Sized,
                 shuffle: bool = True,
                 seed: int | None = None,
                 drop_last: bool = False,
                 global_batch_size: int | None = None,
                 contiguous: bool = False) -> None:
        super().__init__(dataset, global_batch_size, seed)
        self.contiguous = contiguous
        self.shuffle = shuffle
        size, group = len(dataset), self.global_batch_size
        self.total_size = size // group * group if drop_last else -(-size // group) * group

    def __iter__(self) -> Iterator[SeededIndex]:
        size = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(sample_seed(self.seed, self.epoch, size))
            order = torch.randperm(size, generator=generator).tolist()
        else:
            order = list(range(size))
        positions = range(self.rank, self.total_size, self.world_size)
        if self.contiguous:
            share = self.global_batch_size // self.world_size
            positions = [position for first in range(self.rank * share, self.total_size, self.global_batch_size)
                         for position in range(first, first + share)]
        start, self.start = self.start, 0
        epoch = self.epoch
        return (SeededIndex(order[p % size], sample_seed(self.seed, epoch, order[p % size]))
                for p in positions[start:])

    def __len__(self) -> int:
        """Samples of one whole epoch on this rank; ``set_start`` does not change it."""
        return self.total_size // self.world_size
