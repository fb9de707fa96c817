# The recipe of LUPerson's MGN, which is fast-reid's.
_base_ = ['../_base_/models/reid_r50.py', '../_base_/datasets/market1501.py', '../_base_/default_runtime.py']
model = dict(
    backbone=dict(type='MGNResNet'),
    pooling=dict(_delete_=True, type='MGNPooling', in_channels=2048, out_channels=256),
    head=dict(
        type='MGNHead',
        num_classes=751,
        stripe_triplet=True,
        circle=dict(scale=64, margin=0.35),
        cross_entropy=dict(type='SmoothedCrossEntropyLoss', spread='others')))

size = (384, 128)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='RandomErasing', law='log', prob=0.5, fill=(103.53, 116.28, 123.675)),
    dict(type='PackReIDInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='PKSampler', global_batch_size=64, num_instances=16),
    dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 60
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=20)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.00035, weight_decay=0.0005))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=10, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=7.7e-7, begin=30, end=max_epochs, convert_to_iter_based=True),
]
custom_hooks = [dict(type='MemoryUpdateHook')]
