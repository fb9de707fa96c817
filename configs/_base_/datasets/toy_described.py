# Toy crops with captions and attributes, written by tools/dataset_converters/describe_toy_crops.py.
data_root = 'data/toy_crops'
size = (64, 32)  # (height, width)

resize = dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic')
weak_view = [
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=3, pad_val=0),
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
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='EpochSampler', drop_last=True, global_batch_size=64, contiguous=True),
    dataset=dict(
        type='PedestrianMultiModalDataset',
        data_root=data_root,
        name='toy',
        split='train',
        schema='toy',
        needs_captions=True,
        pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(
        type='PedestrianMultiModalDataset',
        data_root=data_root,
        name='toy',
        split='test',
        schema='toy',
        pipeline=test_pipeline,
        test_mode=True))
test_evaluator = [dict(type='PedestrianAttributeMetric'), dict(type='TextRetrievalMetric')]
val_dataloader = test_dataloader
val_evaluator = test_evaluator
