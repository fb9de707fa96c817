"""Epoch loop that goes on in the middle of an epoch."""

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import Sampler

from pedsearch.datasets.samplers import GlobalBatchSampler
from pedsearch.registry import LOOPS


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that, resumed from a checkpoint of mid-epoch, continues with the next batch.

    With ``EpochSampler``, which says what comes next and with which random numbers from seed, epoch and place alone,
    the continued run is the uninterrupted one. Checkpoints of mid-epoch are written by ``CheckpointHook`` with
    ``by_epoch=False``. Args: as ``mmengine.runner.EpochBasedTrainLoop``.
    """

    def run_epoch(self) -> None:
        length, sampler = len(self.dataloader), self.dataloader.sampler
        self._check_batch_size(sampler)
        done = self._iter - self._epoch * length  # a checkpoint of an epoch's last iteration still names that epoch
        if not 0 <= done <= length:
            raise ValueError(f'the checkpoint is from iteration {self._iter} in epoch {self._epoch}, but an epoch has '
                             f'{length} iterations here; resume with the batch size and number of processes it was '
                             'trained with')
        if done and not hasattr(sampler, 'set_start'):
            raise TypeError(f'the checkpoint is from iteration {done} of an epoch, and sampler '
                            f'{type(sampler).__name__} cannot start there; use EpochSampler')
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if done:
            sampler.set_start(min(done * self.dataloader.batch_size, len(sampler)))  # the last batch may be short
        for index, batch in enumerate(self.dataloader, start=done):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _check_batch_size(self, sampler: Sampler) -> None:
        group, processes = getattr(sampler, 'global_batch_size', None), get_world_size()
        if isinstance(sampler, GlobalBatchSampler) and self.dataloader.batch_size * processes != group:
            raise ValueError(f'train_dataloader.batch_size must be global_batch_size / processes = {group} / '
                             f'{processes}, got {self.dataloader.batch_size}; change it, or the sampler\'s '
                             'global_batch_size')
