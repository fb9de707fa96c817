# The trunk that OIM, NAE and SeqNet share: ResNet-50 up to stage 3, one level of proposals, stage 4 on every region.
# Batch statistics over all processes: so many processes train what one with the whole batch trains.
norm_cfg = dict(type='pedsearch.CrossProcessBatchNorm2d', requires_grad=True)
torchvision_weights = dict(type='Pretrained', checkpoint='torchvision://resnet50')

model = dict(
    type='PersonSearchDetector',
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        pad_size_divisor=32),
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2, ),
        frozen_stages=0,
        norm_cfg=norm_cfg,
        norm_eval=False,
        style='pytorch',
        init_cfg=torchvision_weights),
    rpn_head=dict(
        type='SearchRPNHead',
        in_channels=1024,
        feat_channels=1024,
        anchor_generator=dict(
            type='RoundedAnchorGenerator', scales=[2, 4, 8, 16, 32], ratios=[0.5, 1.0, 2.0], strides=[16]),
        bbox_coder=dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[1.0, 1.0, 1.0, 1.0]),
        loss_cls=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
        loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1.0 / 9.0, loss_weight=1.0)),
    roi_head=dict(
        roi_extractor=dict(
            type='mmdet.SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=2, aligned=False),
            out_channels=1024,
            featmap_strides=[16]),
        shared_head=dict(
            type='ResNetStage', depth=50, stage=3, stride=2, norm_cfg=norm_cfg, norm_eval=False,
            init_cfg=torchvision_weights),
        embed_dims=256,
        memory=dict(type='OIMMemory', num_ids=5532, queue_size=5000, momentum=0.5, scale=30.0)),
    train_cfg=dict(
        rpn=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.7,
                neg_iou_thr=0.3,
                min_pos_iou=0.0,
                match_low_quality=True,
                ignore_iof_thr=-1,
                iou_calculator=dict(type='mmdet.BboxOverlaps2D')),
            sampler=dict(
                type='pedsearch.SeededRandomSampler', num=256, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=False),
            allowed_border=-1,
            pos_weight=-1,
            debug=False),
        rpn_proposal=dict(
            nms_pre=12000, max_per_img=2000, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0.001),
        rcnn=dict(
            assigner=dict(
                type='mmdet.MaxIoUAssigner',
                pos_iou_thr=0.5,
                neg_iou_thr=0.5,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,
                iou_calculator=dict(type='mmdet.BboxOverlaps2D')),
            sampler=dict(
                type='pedsearch.SeededRandomSampler', num=128, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=True))),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=300, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0.001),
        rcnn=dict(score_thr=0.5, nms_iou_thr=0.4, max_per_img=300)))
