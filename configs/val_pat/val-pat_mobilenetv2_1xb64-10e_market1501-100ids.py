# Real photos on a CPU: 100 of Market-1501's people in training and 100 in testing, from ImageNet weights. Attributes,
# and sentences made of them, are of tools/dataset_converters/market_attributes.py; the vocabulary is learnt by
# tools/train_tokenizer.py.
_base_ = [
    '../_base_/models/val_pat_tiny.py', '../_base_/datasets/toy_described.py', '../_base_/schedules/val_pat_tiny.py',
    '../_base_/default_runtime.py'
]
model = dict(
    image_encoder=dict(
        _delete_=True,
        type='ReIDMobileNetV2',
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
            'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')),
    image_dims=1280,
    embed_dims=128,
    views=dict(embed_dims=128, queue_length=1024),
    attributes=dict(num_attributes=30),
    tokenizer=dict(file='data/market1501/words.json'))

size = (128, 64)  # (height, width)
resize = dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic')
weak_view = [
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=5, pad_val=0),
]
strong_view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=size, crop_ratio_range=(0.4, 1.0)),
    dict(type='mmpretrain.RandomGrayscale', prob=0.2, keep_channels=True),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='RandomErasing', prob=0.5),
]
train_pipeline = [
    dict(type='LoadImage'),
    resize,
    dict(type='PhotoViews', pipelines=[weak_view, strong_view, strong_view]),
    dict(type='PickCaption'),
    dict(type='PackMultiModalInputs'),
]
test_pipeline = [dict(type='LoadImage'), resize, dict(type='PackMultiModalInputs')]
data = dict(data_root='data/market1501', name='market1501', schema='market', max_ids=100)
train_dataloader = dict(dataset=dict(data, pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(data, pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 10
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=0.0003))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=27),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=27, end=270),
]
custom_hooks = [dict(type='PositiveRatesHook'), dict(type='MemoryUpdateHook'), dict(type='RunningStatsHook')]
