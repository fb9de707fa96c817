_base_ = [
    '../_base_/models/c4_toy.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/search_toy.py',
    '../_base_/default_runtime.py'
]

model = dict(
    roi_head=dict(type='NAERoIHead', in_channels=128, loss_weights=dict(bbox=5.0)),
    train_cfg=dict(rcnn=dict(assigner=dict(neg_iou_thr=0.1))))
