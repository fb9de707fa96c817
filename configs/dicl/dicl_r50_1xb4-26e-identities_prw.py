# Upper bound: the identities of PRW in the place of clusters.
_base_ = [
    '../_base_/models/dicl_r50_clean.py', '../_base_/datasets/prw_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

model = dict(
    train_cfg=dict(rcnn=dict(assigner=dict(pos_iou_thr=0.7, min_pos_iou=0.7))),
    test_cfg=dict(rcnn=dict(normalize_embeds=True, query='gt_box')))
custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4, clusterer=None),
    dict(type='MemoryUpdateHook'),
]
