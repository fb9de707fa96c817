"""What runs around the models: loops and hooks."""

from .feature_extraction import extract_features
from .manual_data_parallel import ManualDataParallel
from .memory_update_hook import MemoryUpdateHook
from .part_optimizers import PartOptimizers
from .positive_rates_hook import PositiveRatesHook
from .process_group import exit_process_group, init_cpu_process_group
from .pseudo_label_hook import PseudoLabelHook
from .resizing_ema_hook import ResizingEMAHook
from .resumable_epoch_loop import ResumableEpochLoop
from .running_stats_hook import RunningStatsHook

__all__ = [
    'ManualDataParallel', 'MemoryUpdateHook', 'PartOptimizers', 'PositiveRatesHook', 'PseudoLabelHook',
    'ResizingEMAHook', 'ResumableEpochLoop', 'RunningStatsHook', 'exit_process_group', 'extract_features',
    'init_cpu_process_group'
]
