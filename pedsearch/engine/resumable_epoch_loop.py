"""Epoch loop that goes on in the middle of an epoch."""

from mmengine.runner import EpochBasedTrainLoop

from pedsearch.registry import LOOPS


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that, resumed from a checkpoint of mid-epoch, continues with the next batch.

    With ``EpochSampler``, which says what comes next and with which random numbers from seed, epoch and place alone,
    the continued run is the uninterrupted one. Checkpoints of mid-epoch are written by ``CheckpointHook`` with
    ``by_epoch=False``. Args: as ``mmengine.runner.EpochBasedTrainLoop``.
    """

    def run_epoch(self) -> None:
        done = self._iter % len(self.dataloader)
        sampler = self.dataloader.sampler
        if done and not hasattr(sampler, 'set_start'):
            raise TypeError(f'the checkpoint is from iteration {done} of an epoch, and sampler '
                            f'{type(sampler).__name__} cannot start there; use EpochSampler')
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        if done:
            sampler.set_start(done * self.dataloader.batch_size)
        for index, batch in enumerate(self.dataloader, start=done):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
