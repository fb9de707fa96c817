"""What runs around the models: loops and hooks."""

from .memory_update_hook import MemoryUpdateHook
from .process_group import exit_process_group, init_cpu_process_group
from .resumable_epoch_loop import ResumableEpochLoop

__all__ = ['MemoryUpdateHook', 'ResumableEpochLoop', 'init_cpu_process_group', 'exit_process_group']
