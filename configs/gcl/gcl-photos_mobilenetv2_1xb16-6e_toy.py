# GCL without its generator: the contrast of photos with the memory alone. load_from names the checkpoint of a base
# encoder.
_base_ = [
    '../_base_/models/reid_mobilenetv2.py', '../_base_/datasets/toy_crops.py', '../_base_/schedules/gcl_joint.py',
    '../_base_/default_runtime.py'
]
model = dict(head=dict(type='GCLHead', memory=dict(type='ViewMemory')))
size = (128, 64)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='LabelledSampler', global_batch_size=16),
    dataset=dict(pipeline=train_pipeline))

max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.00035, momentum=0.9, nesterov=True, weight_decay=0.0005))
param_scheduler = dict(_delete_=True, type='MultiStepLR', milestones=[10], gamma=0.1)
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
]
