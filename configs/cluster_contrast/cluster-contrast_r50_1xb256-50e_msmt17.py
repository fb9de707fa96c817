_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/msmt17.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(bn_splits=4, head=dict(type='ClusterContrastHead', memory=dict(type='ClusterMemory')))
train_dataloader = dict(
    batch_size=256,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=256, num_instances=16, num_iters=400))
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.6), num_workers=4),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
