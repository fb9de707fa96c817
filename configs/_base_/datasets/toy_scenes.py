# Toy scenes, written by tools/make_toy_scenes.py; also the form for your own data.
data_root = 'data/toy'
scale = (512, 288)

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
    batch_size=4,
    num_workers=0,
    sampler=dict(type='EpochSampler', shuffle=True),
    dataset=dict(type='SearchSceneDataset', data_root=data_root, split='train', pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=0,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='SearchSceneDataset', data_root=data_root, split='test', pipeline=test_pipeline, test_mode=True))
test_evaluator = dict(type='PersonSearchMetric', score_weighted=False, random_control=True)
val_dataloader = test_dataloader
val_evaluator = test_evaluator
