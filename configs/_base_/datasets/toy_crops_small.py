# Toy crops at a quarter of the area.
_base_ = './toy_crops.py'
size = (64, 32)  # (height, width)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=3, pad_val=0),
    dict(type='RandomErasing', prob=0.5),
    dict(type='PackReIDInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
