# PA-100K, as tools/dataset_converters/attribute_releases.py writes it; also the form for other data with attributes.
data_root, name = 'data/pa100k', 'pa100k'
size = (256, 192)  # (height, width)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bilinear'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=10, pad_val=0),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackMultiModalInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bilinear'),
    dict(type='PackMultiModalInputs'),
]
dataset = dict(type='PedestrianMultiModalDataset', data_root=data_root, name=name, schema=name)
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='EpochSampler', drop_last=True, global_batch_size=64),
    dataset=dict(dataset, split='train', pipeline=train_pipeline))
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
val_evaluator = test_evaluator = dict(type='PedestrianAttributeMetric')
