# The trunk in small, trained from scratch in minutes on a CPU: half-width ResNet-18, anchors of the toy people's size.
_base_ = 'c4_r50.py'

model = dict(
    backbone=dict(depth=18, base_channels=32, frozen_stages=-1, init_cfg=None),
    rpn_head=dict(
        in_channels=128,
        feat_channels=128,
        anchor_generator=dict(scales=[2.25, 3.5, 5.5], ratios=[2.0, 3.0]),
        loss_bbox=dict(loss_weight=10.0)),
    roi_head=dict(
        roi_extractor=dict(roi_layer=dict(output_size=(8, 4)), out_channels=128),
        shared_head=dict(depth=18, base_channels=32, init_cfg=None),
        embed_dims=128,
        memory=dict(num_ids=60, queue_size=60, scale=15.0)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=1000, max_per_img=200), rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(rpn=dict(nms_pre=500, max_per_img=100)))
