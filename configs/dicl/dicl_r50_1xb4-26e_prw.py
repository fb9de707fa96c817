_base_ = [
    '../_base_/models/dicl_r50.py', '../_base_/datasets/prw_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

model = dict(
    train_cfg=dict(rcnn=dict(assigner=dict(pos_iou_thr=0.7, min_pos_iou=0.7))),
    test_cfg=dict(rcnn=dict(normalize_embeds=True, query='best_detection')))
custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.7, gap=0.02, min_samples=4, k1=30, k2=6)),
    dict(type='MemoryUpdateHook'),
]
test_evaluator = dict(score_weighted=True)
val_evaluator = test_evaluator
