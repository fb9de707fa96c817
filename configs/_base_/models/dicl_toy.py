# DICL in small, from ImageNet weights, in minutes on a CPU: MobileNetV2, anchors and crops of the toy people's size.
# The switches are those of dicl_r50_clean.py.
_base_ = 'dicl_r50.py'

model = dict(
    crop_size=(112, 48),
    occlusion=dict(grid=(7, 3), stop_at_small=False),
    data_preprocessor=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(
        _delete_=True,
        type='ReIDMobileNetV2',
        out_indices=(4, 6),
        frozen_stages=3,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
            'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')),
    neck=dict(in_channels=(96, 320), offset_init='zero'),
    rpn_head=dict(
        in_channels=96, feat_channels=96, anchor_generator=dict(scales=[2.25, 3.5, 5.5], ratios=[2.0, 3.0]),
        loss_bbox=dict(loss_weight=2.0)),
    roi_head=dict(
        loss_weights=dict(bbox=2.0),
        in_channels=96,
        map_size=(7, 3),
        embed_dims=128,
        roi_extractor=dict(output_size=(7, 3), channels=96, fc_channels=64),
        memory=dict(eps=0.0),
        skip_single_label=False,
        unit_mean=True,
        consistency_reduction='row'),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=200), rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=100), rcnn=dict(normalize_embeds=True)))
