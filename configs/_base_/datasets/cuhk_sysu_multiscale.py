# CUHK-SYSU as weakly supervised methods train on it: five scales by chance, batches of four.
_base_ = 'cuhk_sysu.py'

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(
        type='mmcv.RandomChoiceResize',
        resize_type='mmdet.Resize',
        scales=[(667, 400), (1000, 600), (1333, 800), (1500, 900), (1666, 1000)],
        keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs'),
]
train_dataloader = dict(batch_size=4, drop_last=False, dataset=dict(pipeline=train_pipeline))
