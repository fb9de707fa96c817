"""Plain batches of those samples that have a label."""

import numpy as np
from torch.utils.data import Dataset

from pedsearch.registry import DATA_SAMPLERS

from .global_batch_sampler import GlobalBatchSampler


@DATA_SAMPLERS.register_module()
class LabelledSampler(GlobalBatchSampler):
    """Shuffled passes over all samples with a label, one after another until the epoch is full.

    What is left of a pass behind its last whole batch is dropped. Labels change between epochs, the length of an epoch
    does not.

    Args:
        dataset, global_batch_size, num_iters, seed: See
            :class:`~pedsearch.datasets.samplers.global_batch_sampler.GlobalBatchSampler`.

    Raises:
        TypeError, ValueError: Likewise; when iterated, no sample has a label.
    """

    def __init__(self, dataset: Dataset, global_batch_size: int, num_iters: int | None = None,
                 seed: int | None = None) -> None:
        super().__init__(dataset, global_batch_size, num_iters, seed)
        if not hasattr(dataset, 'labels'):
            raise TypeError(f'LabelledSampler needs a dataset with labels (N,), got {type(dataset).__name__}; use a '
                            'ReIDDataset, or EpochSampler')

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        labelled, size = np.flatnonzero(np.asarray(self.dataset.labels) >= 0), self.global_batch_size
        if not len(labelled):
            raise ValueError('LabelledSampler needs samples with a label, got none; set pseudo labels before the epoch')
        if len(labelled) < size:  # less than a batch: people repeat within it
            labelled = np.tile(labelled, -(-size // len(labelled)))
        whole = len(labelled) // size * size
        passes = [rng.permutation(labelled)[:whole] for _ in range(-(-self.num_iters * size // whole))]
        return np.concatenate(passes)[:self.num_iters * size].reshape(self.num_iters, size)
