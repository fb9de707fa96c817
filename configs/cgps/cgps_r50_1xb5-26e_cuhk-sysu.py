_base_ = [
    '../_base_/models/cgps_r50.py', '../_base_/datasets/cuhk_sysu_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

train_pipeline = [  # with the sixth scale that DICL leaves out on CUHK-SYSU
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(
        type='mmcv.RandomChoiceResize',
        resize_type='mmdet.Resize',
        scales=[(667, 400), (1000, 600), (1333, 800), (1500, 900), (1666, 1000), (2000, 1200)],
        keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs'),
]
auto_scale_lr = dict(base_batch_size=5)
train_dataloader = dict(batch_size=5, dataset=dict(pipeline=train_pipeline))
custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.7, gap=0.02, min_samples=4, k1=30, k2=6)),
    dict(type='MemoryUpdateHook'),
]
test_evaluator = dict(score_weighted=True, duplicates='dicl')
val_evaluator = test_evaluator
