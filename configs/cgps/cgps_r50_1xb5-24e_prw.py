_base_ = [
    '../_base_/models/cgps_r50.py', '../_base_/datasets/prw_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

model = dict(
    roi_head=dict(loss_weights=dict(bbox=1.0)),
    test_cfg=dict(rcnn=dict(query='best_detection')))
auto_scale_lr = dict(base_batch_size=5)
train_dataloader = dict(batch_size=5)
custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.7, gap=0.02, min_samples=4, k1=30, k2=6)),
    dict(type='MemoryUpdateHook'),
]
test_evaluator = dict(score_weighted=True)
val_evaluator = test_evaluator
max_epochs = 24
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
