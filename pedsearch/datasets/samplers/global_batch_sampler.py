"""Epochs of a fixed number of global batches, and passes over identities to fill them with.

Shape legend: I batches of an epoch, G samples of a global batch, W processes, K images of one identity in a batch, P
identities of a batch (G / K), n images of one identity, N samples of the dataset.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from ..seeding import SeededIndex, sample_seed
from .resumable_sampler import ResumableSampler


class Identity(NamedTuple):
    """The images of one label."""

    indices: np.ndarray
    """(n,) int64, places in the dataset, rising."""

    camids: np.ndarray
    """(n,) int64; -1 (unknown) counts as a camera."""


class GlobalBatchSampler(ResumableSampler, ABC):
    """Base of samplers that yield I global batches an epoch, whatever the size of the dataset.

    Seed and epoch alone decide the stream of batches. Of each batch, or of each of its ``num_parts`` equal parts, rank
    r of W takes the r-th of W contiguous chunks. An index is a :class:`~pedsearch.datasets.seeding.SeededIndex` whose
    seed comes from its place in the epoch's stream: an image that occurs twice is augmented in two ways, and the same
    with any number of processes. The batch size of the data loader must be ``global_batch_size`` / W.

    Args:
        dataset (Dataset): Has ``labels`` and ``camids`` (N,), read when iteration begins: labels set between two epochs
            count at once. Samples with a negative label are left out.
        global_batch_size (int): G.
        num_iters (int | None): I; None: the whole batches that the N samples fill, at least one.
        seed (int | None): Run seed; None takes one that all processes share.

    Raises:
        TypeError: The dataset has no labels.
        ValueError: ``global_batch_size`` is no multiple of W × ``num_parts``, ``num_iters`` is below 1, or the dataset
            is empty.
    """

    num_parts = 1

    def __init__(self, dataset: Dataset, global_batch_size: int, num_iters: int | None = None,
                 seed: int | None = None) -> None:
        super().__init__(dataset, global_batch_size, seed)
        if global_batch_size % (self.num_parts * self.world_size):
            raise ValueError(f'global_batch_size must be a multiple of {self.num_parts} parts x {self.world_size} '
                             f'processes, got {global_batch_size}')
        if num_iters is not None and num_iters < 1:
            raise ValueError(f'num_iters must be at least 1, got {num_iters}; None takes len(dataset) // '
                             'global_batch_size')
        self.num_iters = max(1, len(dataset) // global_batch_size) if num_iters is None else num_iters

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Dataset indices (I, G) of an epoch's batches, for the labels as they are now."""

    def __iter__(self) -> Iterator[SeededIndex]:
        seed, epoch, size = self.seed, self.epoch, self.num_iters * self.global_batch_size
        batches = self.draw(np.random.default_rng(sample_seed(seed, epoch, size)))
        chunks = np.arange(size).reshape(self.num_iters, self.num_parts, self.world_size, -1)
        places = chunks[:, :, self.rank].ravel()[self.start:]  # (I, parts, W, G / parts / W) -> (I * G / W,)
        self.start = 0
        indices = batches.ravel()[places]
        return (SeededIndex(i, sample_seed(seed, epoch, p)) for i, p in zip(indices.tolist(), places.tolist()))

    def __len__(self) -> int:
        """Samples of one whole epoch on this rank; ``set_start`` does not change it."""
        return self.num_iters * self.global_batch_size // self.world_size


class IdentityBatchSampler(GlobalBatchSampler):
    """Base of samplers that fill batches with blocks of K images of one identity.

    Passes over the identities follow one another until the epoch is full. What is left of a pass behind its last whole
    batch is dropped. Where a pass fills not even one batch, its end and the next pass share a batch, in which
    identities then repeat; one warning an epoch says so.

    Args:
        dataset, global_batch_size, num_iters, seed: See :class:`GlobalBatchSampler`.
        num_instances (int): K.

    Raises:
        TypeError, ValueError: See :class:`GlobalBatchSampler`; ``global_batch_size`` is no multiple of K; when
            iterated, no sample has a label.
    """

    def __init__(self,
                 dataset: Dataset,
                 global_batch_size: int,
                 num_instances: int,
                 num_iters: int | None = None,
                 seed: int | None = None) -> None:
        super().__init__(dataset, global_batch_size, num_iters, seed)
        if not (hasattr(dataset, 'labels') and hasattr(dataset, 'camids')):
            raise TypeError(f'{type(self).__name__} needs a dataset with labels and camids (N,), got '
                            f'{type(dataset).__name__}; use a ReIDDataset')
        if num_instances < 1 or global_batch_size % num_instances:
            raise ValueError(f'num_instances must be a positive divisor of the batch of {global_batch_size}, got '
                             f'{num_instances}; a batch is identities x num_instances')
        self.num_instances = num_instances

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        identities = self._identities()
        size = self.global_batch_size
        stream, missing = [], self.num_iters * size
        while missing > 0:
            indices = self._draw_pass(identities, rng)
            if not stream:
                self._warn_of_short_pass(len(identities), len(indices))
            usable = len(indices) // size * size or len(indices)
            stream.append(indices[:usable])
            missing -= usable
        return np.concatenate(stream)[:self.num_iters * size].reshape(self.num_iters, size)

    def _identities(self) -> list[Identity]:
        """The labelled images, grouped by label."""
        labels, camids = np.asarray(self.dataset.labels), np.asarray(self.dataset.camids)
        labeled = np.flatnonzero(labels >= 0)
        if not len(labeled):
            raise ValueError(f'{type(self).__name__} needs samples with a label, got none: no sample has a label among '
                             f'{len(labels)}; set pseudo labels before the epoch, or read data with identities')
        labeled = labeled[np.argsort(labels[labeled], kind='stable')]
        borders = np.flatnonzero(np.diff(labels[labeled])) + 1
        return [Identity(indices, camids[indices]) for indices in np.split(labeled, borders)]

    @abstractmethod
    def _draw_pass(self, identities: list[Identity], rng: np.random.Generator) -> np.ndarray:
        """Dataset indices (any number,) of one pass over the identities."""

    def _warn_of_short_pass(self, num_ids: int, pass_length: int) -> None:
        filled = min(num_ids * self.num_instances, pass_length)
        if filled < self.global_batch_size:
            print_log(f'{num_ids} identities fill {filled} of the {self.global_batch_size} places of a batch '
                      f'({self.num_instances} images each); identities repeat within a batch',
                      logger='current', level=logging.WARNING)
