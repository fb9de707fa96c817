# From an encoder that VAL-PAT pre-trained, at its size; from scratch with model.backbone.init_cfg=None.
_base_ = [
    '../_base_/models/reid_r18_half.py', '../_base_/datasets/toy_crops_small.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
encoder = 'work_dirs/val-pat_tiny_1xb64-12e_toy/encoder.pth'  # of tools/model_converters/export_encoder.py
model = dict(
    bn_splits=4,
    backbone=dict(init_cfg=dict(
        _delete_=True, type='Pretrained', checkpoint=encoder, prefix='image_encoder')),
    head=dict(type='ClusterContrastHead'))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(
        _delete_=True, type='MultipleGallerySampler', global_batch_size=64, num_instances=4, num_iters=16))

max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = dict(milestones=[4])
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
