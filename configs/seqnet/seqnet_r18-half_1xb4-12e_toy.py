_base_ = [
    '../_base_/models/c4_toy.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/search_toy.py',
    '../_base_/default_runtime.py'
]

model = dict(
    roi_head=dict(type='SeqNetRoIHead', in_channels=128, loss_weights=dict(first_bbox=5.0, bbox=2.0)),
    test_cfg=dict(rcnn=dict(first_nms_iou_thr=0.4, nms_iou_thr=0.5)))
