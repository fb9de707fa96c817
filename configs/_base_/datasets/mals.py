# MALS with captions and 27 attributes, tested by the sentences of CUHK-PEDES, whose people it does not show.
size = (256, 128)  # (height, width)
mean_color = (80.07, 79.203, 89.8875)  # BGR; erased boxes are 0 once images are normalised

resize = dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic')
flip = dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal')
weak_view = [
    resize,
    flip,
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, max_area_ratio=0.4, fill_color=mean_color),
]
strong_view = [  # LUPerson's: no other colours, and large holes
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
train_dataloader = dict(
    batch_size=1024,
    num_workers=16,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', drop_last=True, global_batch_size=1024, contiguous=True),
    dataset=dict(
        type='PedestrianMultiModalDataset',
        data_root='data/mals',
        name='mals',
        split='train',
        schema='mals',
        needs_captions=True,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='PedestrianMultiModalDataset',
        data_root='data/cuhk_pedes',
        name='cuhk-pedes',
        split='test',
        pipeline=test_pipeline,
        test_mode=True))
test_evaluator = dict(type='TextRetrievalMetric')
val_dataloader = test_dataloader
val_evaluator = test_evaluator
