# CGPS in small, from ImageNet weights, in minutes on a CPU.
_base_ = 'cgps_r50.py'

imagenet_weights = dict(
    type='Pretrained',
    prefix='backbone',
    checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
    'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')
norm_cfg = dict(type='BN', requires_grad=False)
model = dict(
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        _delete_=True, type='ReIDMobileNetV2', out_indices=(4, ), frozen_stages=3, norm_cfg=norm_cfg, norm_eval=True,
        init_cfg=imagenet_weights),
    rpn_head=dict(
        in_channels=96, feat_channels=96, anchor_generator=dict(scales=[2.25, 3.5, 5.5], ratios=[2.0, 3.0]),
        loss_bbox=dict(loss_weight=2.0)),
    roi_head=dict(
        loss_weights=dict(bbox=2.0),
        in_channels=96,
        embed_dims=128,
        roi_extractor=dict(roi_layer=dict(output_size=(14, 6)), out_channels=96),
        shared_head=dict(
            _delete_=True, type='MobileNetV2Stage', norm_cfg=norm_cfg, norm_eval=True, init_cfg=imagenet_weights),
        memory=dict(eps=0.0),
        skip_single_label=False),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=200), rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=100)))
