# Three objectives on toy crops, a minute or two on a CPU. The vocabulary is learnt by tools/train_tokenizer.py.
_base_ = [
    '../_base_/models/val_pat_tiny.py', '../_base_/datasets/toy_described.py', '../_base_/schedules/val_pat_tiny.py',
    '../_base_/default_runtime.py'
]
custom_hooks = [dict(type='PositiveRatesHook'), dict(type='MemoryUpdateHook'), dict(type='RunningStatsHook')]
