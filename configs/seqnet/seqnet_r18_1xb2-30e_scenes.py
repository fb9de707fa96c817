# Your own scenes, from ImageNet weights: set data_root and num_ids on the command line, see docs/own_data.md.
_base_ = [
    '../_base_/models/seqnet_r50.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/search_toy.py',
    '../_base_/default_runtime.py'
]

norm_cfg = dict(type='BN', requires_grad=False)
torchvision_weights = dict(type='Pretrained', checkpoint='torchvision://resnet18')
model = dict(
    backbone=dict(depth=18, frozen_stages=1, norm_cfg=norm_cfg, norm_eval=True, init_cfg=torchvision_weights),
    rpn_head=dict(in_channels=256, feat_channels=256, anchor_generator=dict(ratios=[1.0, 2.0, 3.0])),
    roi_head=dict(
        in_channels=256,
        loss_weights=dict(first_bbox=2.0),
        roi_extractor=dict(roi_layer=dict(output_size=(14, 7)), out_channels=256),
        shared_head=dict(depth=18, norm_cfg=norm_cfg, norm_eval=True, init_cfg=torchvision_weights),
        memory=dict(num_ids=60, queue_size=60)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=2000, max_per_img=500), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=2000, max_per_img=100)))

scale = (1000, 600)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='LoadSearchAnnotations'),
    dict(type='PackSearchInputs'),
]
train_dataloader = dict(batch_size=2, dataset=dict(data_root='data/scenes', pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(data_root='data/scenes', pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 30
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=0.0003))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=80),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
