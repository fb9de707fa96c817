_base_ = [
    '../_base_/models/reid_r18_half.py', '../_base_/datasets/toy_crops.py',
    '../_base_/schedules/reid_toy.py', '../_base_/default_runtime.py'
]
model = dict(bn_splits=2, head=dict(type='SpCLHead'))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=20))
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='ReliableDBSCANCluster', eps=0.5, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
