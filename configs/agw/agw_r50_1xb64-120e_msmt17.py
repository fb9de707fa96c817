_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/msmt17.py', '../_base_/schedules/reid_fast.py',
    '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(non_local=(0, 2, 3, 0)),
    pooling=dict(trainable=False),
    head=dict(
        type='AGWHead', num_classes=1041, cross_entropy=dict(type='SmoothedCrossEntropyLoss', spread='others')))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2001),
    dict(type='MultiStepLR', milestones=[44, 94], gamma=0.1),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='PKSampler', global_batch_size=64, num_instances=4),
    dataset=dict(merge_val=False))  # as fast-reid and BoT train
custom_hooks = [dict(type='MemoryUpdateHook')]
