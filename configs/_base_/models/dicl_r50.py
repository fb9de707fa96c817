# DICL as its released code computes it (preset "release"); dicl_r50_clean.py mends what is odd there.
# ResNet-50 of the Caffe kind, batch norm frozen, last stage at stride 16.
model = dict(
    type='SiamesePersonSearchDetector',
    crop_size=(224, 96),
    occlusion=dict(prob=0.5, num_patches=2, grid=(14, 6), stop_at_small=True),
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_size_divisor=32),
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=4,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 1),
        out_indices=(2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='caffe',
        init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe')),
    neck=dict(type='DeformC45Neck', in_channels=(1024, 2048), offset_init='xavier'),
    rpn_head=dict(
        type='SearchRPNHead',
        in_channels=1024,
        feat_channels=1024,
        anchor_generator=dict(
            type='mmdet.AnchorGenerator', scales=[2, 4, 8, 16, 32], ratios=[1.0, 2.0, 3.0], strides=[16]),
        bbox_coder=dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=1.0)),
    roi_head=dict(
        type='DICLRoIHead',
        in_channels=1024,
        map_size=(14, 6),
        embed_dims=256,
        roi_extractor=dict(
            type='DeformRoIPoolPack', output_size=(14, 6), channels=1024, fc_channels=1024, gamma=0.1,
            spatial_scale=1 / 16),
        bbox_coder=dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[0.1, 0.1, 0.2, 0.2]),
        memory=dict(type='InstanceMemory', num_slots=0, temperature=0.05, momentum=0.2, top_percent=0.6, eps=1e-6),
        instance_branch=True,
        skip_single_label=True,
        unit_mean=False,
        consistency_reduction='element',
        loss_weights=dict(bbox=10.0, kl=0.1)),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.3,
                match_low_quality=True,
                ignore_iof_thr=-1,
                iou_calculator=dict(type='mmdet.BboxOverlaps2D')),
            sampler=dict(
                type='pedsearch.SeededRandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=False),
            allowed_border=0,
            pos_weight=-1,
            debug=False),
        rpn_proposal=dict(
            nms_pre=12000, max_per_img=2000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=8),
        rcnn=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.6,
                neg_iou_thr=0.1,
                min_pos_iou=0.6,
                match_low_quality=False,
                ignore_iof_thr=-1,
                iou_calculator=dict(type='mmdet.BboxOverlaps2D')),
            sampler=dict(
                type='pedsearch.SeededRandomSampler', num=128, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=True))),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=300, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=16),
        rcnn=dict(score_thr=0.05, nms_iou_thr=0.4, max_per_img=100, normalize_embeds=False, query='gt_box')))
