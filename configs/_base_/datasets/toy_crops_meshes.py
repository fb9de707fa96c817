# Toy crops with their bodies, written by tools/dataset_converters/make_toy_views.py.
_base_ = 'toy_crops.py'

size = (128, 64)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(
        type='LoadMeshViews',
        views=dict(
            type='MeshViewGenerator', bodies=dict(type='ToyBodies', file='data/toy_views/bodies.npz'), image_size=size,
            cache='data/toy_views/cache')),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='LabelledSampler', global_batch_size=16),
    dataset=dict(pipeline=train_pipeline))
