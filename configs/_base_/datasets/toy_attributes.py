# Toy crops with attributes, written by tools/dataset_converters/describe_toy_crops.py. There is no validation split.
data_root = 'data/toy_crops'
size = (96, 48)  # (height, width)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bilinear'),
    dict(type='mmpretrain.RandomCrop', crop_size=size, padding=4, pad_val=0),
    dict(type='mmpretrain.RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackMultiModalInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bilinear'),
    dict(type='PackMultiModalInputs'),
]
dataset = dict(type='PedestrianMultiModalDataset', data_root=data_root, name='toy', schema='toy')
train_dataloader = dict(
    batch_size=32,
    num_workers=0,
    sampler=dict(type='EpochSampler', drop_last=True, global_batch_size=32),
    dataset=dict(dataset, split='train', pipeline=train_pipeline))
test_dataloader = dict(
    batch_size=64,
    num_workers=0,
    sampler=dict(type='EpochSampler', shuffle=False),
    dataset=dict(dataset, split='test', pipeline=test_pipeline, test_mode=True))
test_evaluator = dict(type='PedestrianAttributeMetric')
val_dataloader = test_dataloader
val_evaluator = test_evaluator
