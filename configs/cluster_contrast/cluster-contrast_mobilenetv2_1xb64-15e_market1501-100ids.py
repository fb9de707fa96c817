# Half an hour on two CPU cores: 100 of Market-1501's identities in training, 100 of its queries' in testing.
_base_ = [
    '../_base_/models/reid_mobilenetv2.py', '../_base_/datasets/market1501.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(bn_splits=4, head=dict(type='ClusterContrastHead'))

size = (128, 64)  # the size of the released crops
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=5, pad_val=0),
    dict(type='RandomErasing', prob=0.5),
    dict(type='PackReIDInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=50),
    dataset=dict(max_ids=100, pipeline=train_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(max_ids=100, pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 15
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = dict(milestones=[8, 12])
default_hooks = dict(logger=dict(interval=10))
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.5, k1=20)),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
