_base_ = 'c4_r50.py'

model = dict(
    roi_head=dict(type='NAERoIHead', in_channels=1024, loss_weights=dict(bbox=10.0)),
    train_cfg=dict(rcnn=dict(assigner=dict(neg_iou_thr=0.1))))
