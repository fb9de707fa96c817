_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/market1501.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(
    bn_splits=4,
    pooling=dict(_delete_=True, type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='SpCLHead'))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=400))
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='ReliableDBSCANCluster'), num_workers=4),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
