# CUHK-PEDES, as tools/dataset_converters/caption_releases.py writes it.
data_root = 'data/cuhk_pedes'
size = (384, 128)  # (height, width)
mean_color = (104.09, 116.75, 122.77)  # BGR, CLIP's

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='mmpretrain.RandomErasing', erase_prob=0.5, max_area_ratio=0.4, fill_color=mean_color),
    dict(type='PickCaption'),
    dict(type='PackMultiModalInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackMultiModalInputs'),
]
dataset = dict(type='PedestrianMultiModalDataset', data_root=data_root, name='cuhk-pedes')
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', drop_last=True, global_batch_size=64),
    dataset=dict(dataset, split='train', needs_captions=True, pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(dataset, split='val', pipeline=test_pipeline, test_mode=True))
test_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(dataset, split='test', pipeline=test_pipeline, test_mode=True))
val_evaluator = dict(type='TextRetrievalMetric')
test_evaluator = val_evaluator
