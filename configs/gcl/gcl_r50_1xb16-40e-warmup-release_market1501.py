# Stage 2 as the released code computes it; 315 degrees are never drawn there.
_base_ = [
    '../_base_/models/gcl_r50.py', '../_base_/datasets/market1501_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_warmup.py'
]
model = dict(
    stage='warmup', generator=dict(mapper=dict(part_layout='channel')), feat_target='rebuilt')

data_root = 'data/market1501'
size = (256, 128)  # (height, width)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(
        type='LoadMeshViews',
        angles_deg=(45, 90, 135, 180, 225, 270),
        views=dict(
            type='MeshViewGenerator', bodies=dict(type='AnnyFits', file=f'{data_root}/bodies.npz'), image_size=size,
            cache=f'{data_root}/mesh_views')),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    sampler=dict(_delete_=True, type='EpochSampler', drop_last=True, global_batch_size=16),
    dataset=dict(pipeline=train_pipeline))
