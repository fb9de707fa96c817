_base_ = 'c4_r50.py'

model = dict(
    roi_head=dict(type='SeqNetRoIHead', in_channels=1024, loss_weights=dict(first_bbox=10.0)),
    test_cfg=dict(rcnn=dict(first_nms_iou_thr=0.4, nms_iou_thr=0.5)))
