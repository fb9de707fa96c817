_base_ = [
    '../_base_/models/reid_r18_half.py', '../_base_/datasets/toy_crops.py',
    '../_base_/schedules/reid_toy.py', '../_base_/default_runtime.py'
]
model = dict(head=dict(type='BoTHead', num_classes=60))
custom_hooks = [dict(type='MemoryUpdateHook')]
