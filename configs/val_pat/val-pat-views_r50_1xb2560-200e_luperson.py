# LUPerson's own pre-training, MoCo v2 on its photos alone, from scratch. The annotation file lists photos, no more.
_base_ = [
    '../_base_/models/val_pat_r50.py', '../_base_/datasets/mals.py', '../_base_/default_runtime.py'
]
model = dict(
    image_encoder=dict(init_cfg=None),
    objectives=dict(_delete_=True, views=1.0))
size = (256, 128)  # (height, width)
view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=size, crop_ratio_range=(0.2, 1.0)),
    dict(type='mmpretrain.RandomGrayscale', prob=0.2, keep_channels=True),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, max_area_ratio=0.6, fill_color=(80.07, 79.203, 89.8875)),
]
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='PhotoViews', pipelines=[view, view]),
    dict(type='PackMultiModalInputs'),
]
train_dataloader = dict(
    batch_size=2560,
    sampler=dict(global_batch_size=2560),
    dataset=dict(
        data_root='data/luperson', name='luperson', schema=None, needs_captions=False, pipeline=train_pipeline))
max_epochs = 200
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.3, momentum=0.9, weight_decay=0.0001))
param_scheduler = dict(type='CosineAnnealingLR', T_max=max_epochs)
custom_hooks = [dict(type='MemoryUpdateHook')]
