# CUHK-SYSU, original release layout. Gallery sizes: test_dataloader.dataset.gallery_size is one of 50 ... 4000 and
# 'full', or a list of them.
data_root = 'data/CUHK-SYSU'
scale = (1500, 900)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='LoadSearchAnnotations'),
    dict(type='PackSearchInputs'),
]
train_dataloader = dict(
    batch_size=5,
    drop_last=True,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(type='CUHKSYSUDataset', data_root=data_root, split='train', pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='CUHKSYSUDataset',
        data_root=data_root,
        split='test',
        gallery_size=100,
        pipeline=test_pipeline,
        test_mode=True))
test_evaluator = dict(type='PersonSearchMetric', score_weighted=True)
val_dataloader = test_dataloader
val_evaluator = test_evaluator
