# From ImageNet weights, in minutes on a CPU. From random weights the clusters would be those of the backgrounds.
_base_ = [
    '../_base_/models/reid_mobilenetv2.py', '../_base_/datasets/toy_crops.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(bn_splits=4, head=dict(type='ClusterContrastHead'))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=20))

max_epochs = 15
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = dict(milestones=[8, 12])
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
