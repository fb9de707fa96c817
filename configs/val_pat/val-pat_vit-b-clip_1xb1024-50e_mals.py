_base_ = [
    '../_base_/models/val_pat_vit_b_clip.py', '../_base_/datasets/mals.py', '../_base_/schedules/val_pat_50e.py',
    '../_base_/default_runtime.py'
]
size = (384, 128)  # (height, width)
mean_color = (104.09, 116.75, 122.77)  # BGR, CLIP's

resize = dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic')
flip = dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal')
weak_view = [
    resize,
    flip,
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, max_area_ratio=0.4, fill_color=mean_color),
]
strong_view = [
    dict(type='mmpretrain.RandomResizedCrop', scale=size, crop_ratio_range=(0.2, 1.0)),
    dict(type='mmpretrain.RandomGrayscale', prob=0.2, keep_channels=True),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0.1, 2.0), magnitude_std='inf', prob=0.5),
    flip,
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, max_area_ratio=0.6, fill_color=mean_color),
]
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='PhotoViews', pipelines=[weak_view, strong_view, strong_view]),
    dict(type='PickCaption'),
    dict(type='PackMultiModalInputs'),
]
test_pipeline = [dict(type='LoadImage'), resize, dict(type='PackMultiModalInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
optim_wrapper = dict(optimizer=dict(lr=0.00001))  # both towers come trained
custom_hooks = [dict(type='PositiveRatesHook'), dict(type='MemoryUpdateHook'), dict(type='RunningStatsHook')]
