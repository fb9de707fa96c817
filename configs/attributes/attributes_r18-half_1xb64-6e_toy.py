# From an encoder that VAL-PAT pre-trained, at its size; from scratch with model.image_encoder.init_cfg=None.
_base_ = [
    '../_base_/models/attributes_r50.py', '../_base_/datasets/toy_described.py',
    '../_base_/schedules/val_pat_tiny.py', '../_base_/default_runtime.py'
]
encoder = 'work_dirs/val-pat_tiny_1xb64-12e_toy/encoder.pth'  # of tools/model_converters/export_encoder.py
model = dict(
    num_attributes=36,
    image_dims=256,
    image_encoder=dict(
        _delete_=True,
        type='ReIDResNet',
        depth=18,
        stem_channels=32,
        base_channels=32,
        init_cfg=dict(type='Pretrained', checkpoint=encoder, prefix='image_encoder')))
size = (64, 32)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=3, pad_val=0),
    dict(type='PackMultiModalInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline, needs_captions=False))
test_evaluator = [dict(type='PedestrianAttributeMetric')]
val_evaluator = test_evaluator
max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=16),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=16, end=96),
]
custom_hooks = [dict(type='PositiveRatesHook')]
