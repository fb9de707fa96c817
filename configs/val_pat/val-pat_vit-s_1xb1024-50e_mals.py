_base_ = [
    '../_base_/models/val_pat_vit_s.py', '../_base_/datasets/mals.py', '../_base_/schedules/val_pat_50e.py',
    '../_base_/default_runtime.py'
]
custom_hooks = [dict(type='PositiveRatesHook'), dict(type='MemoryUpdateHook'), dict(type='RunningStatsHook')]
