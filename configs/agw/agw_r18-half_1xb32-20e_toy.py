_base_ = [
    '../_base_/models/reid_r18_half.py', '../_base_/datasets/toy_crops.py',
    '../_base_/schedules/reid_toy.py', '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(non_local=(0, 1, 1, 0)),
    head=dict(type='AGWHead', num_classes=60))
custom_hooks = [dict(type='MemoryUpdateHook')]
