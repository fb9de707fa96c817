"""What every sampler of pedsearch has: its place among the processes, a seed, an epoch, and a first sample."""

from collections.abc import Sized

from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler


class ResumableSampler(Sampler):
    """Base of samplers whose epochs are decided by seed and number, and can be entered in the middle.

    Subclasses leave out the first ``self.start`` samples of this rank when iterated, and then set it back to 0.

    Args:
        dataset (Sized): The dataset.
        global_batch_size (int | None): Samples of one step over all processes; None: one for each process.
        seed (int | None): Run seed; None takes one that all processes share.

    Raises:
        ValueError: ``global_batch_size`` is no multiple of the number of processes, or the dataset is empty.
    """

    def __init__(self, dataset: Sized, global_batch_size: int | None, seed: int | None) -> None:
        self.rank, self.world_size = get_dist_info()
        self.global_batch_size = self.world_size if global_batch_size is None else global_batch_size
        if self.global_batch_size < 1 or self.global_batch_size % self.world_size:
            raise ValueError(f'global_batch_size must be a positive multiple of the {self.world_size} processes, got '
                             f'{self.global_batch_size}; use batch_size per process x {self.world_size}')
        if len(dataset) == 0:
            raise ValueError(f'{type(self).__name__} needs a dataset with at least one sample, got an empty one; '
                             'check data_root')
        self.dataset = dataset
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order and seeds the next iteration yields."""
        self.epoch = epoch

    def set_start(self, num_samples: int) -> None:
        """Let the next iteration, and only that one, begin after the first samples of the epoch.

        Args:
            num_samples (int): Samples of this rank already used, steps done × batch size per process.

        Raises:
            ValueError: ``num_samples`` is negative or exceeds the epoch.
        """
        if not 0 <= num_samples <= len(self):
            raise ValueError(f'num_samples must lie between 0 and the {len(self)} samples of an epoch, got '
                             f'{num_samples}; pass steps done in this epoch x batch size per process')
        self.start = num_samples
