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
size = (256, 128)  # (height, width)
train_pipeline = [  # crop before flip, and the mean colour by torchvision's law, as in fast-reid
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomErasing', law='log', prob=0.5, fill=(103.53, 116.28, 123.675)),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='PKSampler', global_batch_size=64, num_instances=4),
    dataset=dict(pipeline=train_pipeline, merge_val=False))  # fast-reid trains without val
custom_hooks = [dict(type='MemoryUpdateHook')]
