# Market-1501 with the bodies on its training photos, see docs/mesh.md. Photos are not augmented: turning is that.
_base_ = 'market1501.py'

data_root = 'data/market1501'
size = (256, 128)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(
        type='LoadMeshViews',
        views=dict(
            type='MeshViewGenerator', bodies=dict(type='AnnyFits', file=f'{data_root}/bodies.npz'), image_size=size,
            cache=f'{data_root}/mesh_views')),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='LabelledSampler', global_batch_size=16),
    dataset=dict(pipeline=train_pipeline))
