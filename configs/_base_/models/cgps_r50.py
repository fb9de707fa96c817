# CGPS as its released code computes it: ResNet-50 up to stage 3, stage 4 on every region, one branch.
norm_cfg = dict(type='BN', requires_grad=False)
caffe_weights = dict(type='Pretrained', checkpoint='open-mmlab://detectron2/resnet50_caffe')

model = dict(
    type='PersonSearchDetector',
    data_preprocessor=dict(
        type='mmdet.DetDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[1.0, 1.0, 1.0],
        bgr_to_rgb=False,
        pad_size_divisor=32),
    backbone=dict(
        type='mmdet.ResNet',
        depth=50,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(2, ),
        frozen_stages=1,
        norm_cfg=norm_cfg,
        norm_eval=True,
        style='caffe',
        init_cfg=caffe_weights),
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
        type='CGPSRoIHead',
        in_channels=1024,
        embed_dims=256,
        roi_extractor=dict(
            type='mmdet.SingleRoIExtractor',
            roi_layer=dict(type='RoIAlign', output_size=14, sampling_ratio=0),
            out_channels=1024,
            featmap_strides=[16]),
        bbox_coder=dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=[.0, .0, .0, .0], target_stds=[0.1, 0.1, 0.2, 0.2]),
        shared_head=dict(
            type='ResNetStage', depth=50, stage=3, stride=2, style='caffe', norm_cfg=norm_cfg, norm_eval=True,
            init_cfg=caffe_weights),
        memory=dict(type='InstanceMemory', num_slots=0, temperature=0.05, momentum=0.2, top_percent=0.6, eps=1e-6),
        skip_single_label=True,
        loss_weights=dict(bbox=10.0)),
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
                pos_iou_thr=0.5,
                neg_iou_thr=0.1,
                min_pos_iou=0.5,
                match_low_quality=False,
                ignore_iof_thr=-1,
                iou_calculator=dict(type='mmdet.BboxOverlaps2D')),
            sampler=dict(
                type='pedsearch.SeededRandomSampler', num=128, pos_fraction=0.5, neg_pos_ub=-1,
                add_gt_as_proposals=True))),
    test_cfg=dict(
        rpn=dict(nms_pre=6000, max_per_img=300, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=16),
        rcnn=dict(score_thr=0.05, nms_iou_thr=0.4, max_per_img=100, query='gt_box')))
