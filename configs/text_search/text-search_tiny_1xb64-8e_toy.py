# From encoders that VAL-PAT pre-trained; from scratch with load_from=None.
_base_ = [
    '../_base_/models/text_search_tiny.py', '../_base_/datasets/toy_described.py',
    '../_base_/schedules/val_pat_tiny.py', '../_base_/default_runtime.py'
]
load_from = 'work_dirs/val-pat_tiny_1xb64-12e_toy/encoder.pth'  # of tools/model_converters/export_encoder.py
size = (64, 32)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=3, pad_val=0),
    dict(type='PickCaption'),
    dict(type='PackMultiModalInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_evaluator = [dict(type='TextRetrievalMetric')]
val_evaluator = test_evaluator
max_epochs = 8
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=16),
    dict(type='CosineAnnealingLR', eta_min=1e-6, by_epoch=False, begin=16, end=128),
]
custom_hooks = []
