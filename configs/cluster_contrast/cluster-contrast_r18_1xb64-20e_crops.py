# Your own crops, labelled or not, from ImageNet weights: set data_root on the command line, see docs/own_data.md.
_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/toy_crops.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(
    embed_dims=512,
    backbone=dict(depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
    neck=dict(in_channels=512),
    bn_splits=4,
    head=dict(type='ClusterContrastHead'))
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=50),
    dataset=dict(data_root='data/crops'))
test_dataloader = dict(dataset=dict(data_root='data/crops'))
val_dataloader = val_evaluator = val_cfg = None  # an unlabelled folder has nothing to measure on

max_epochs = 20
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = dict(milestones=[10, 16])
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.5), num_workers=2),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
