_base_ = [
    '../_base_/models/reid_r18_half.py', '../_base_/datasets/toy_crops.py',
    '../_base_/schedules/reid_toy.py', '../_base_/default_runtime.py'
]
model = dict(
    embed_dims=512,
    backbone=dict(type='MGNResNet'),
    pooling=dict(_delete_=True, type='MGNPooling', in_channels=256, out_channels=64),
    neck=dict(in_channels=512),
    head=dict(type='MGNHead', num_classes=60, circle=dict(scale=64, margin=0.35)))
custom_hooks = [dict(type='MemoryUpdateHook')]
