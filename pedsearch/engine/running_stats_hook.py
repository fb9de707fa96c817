"""Keeps the running statistics of split batch norm equal on all processes."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from pedsearch.models.layers import sync_running_stats
from pedsearch.registry import HOOKS


@HOOKS.register_module()
class RunningStatsHook(Hook):
    """Gives every process the running statistics that one process would have.

    When: after each training iteration, before checkpoints are written.
    Touches: running statistics of split and domain batch norm; one small collective, nothing on one process.
    """

    priority = 'NORMAL'

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        sync_running_stats(runner.model)
