# Stage 3 as the released code computes it: 315 degrees are never drawn, and a run resumed under its torch 1.2 keeps
# generator and discriminator at a tenth of their learning rate. load_from names the checkpoint of the warm-up.
_base_ = [
    '../_base_/models/gcl_r50.py', '../_base_/datasets/market1501_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
model = dict(
    head=dict(memory=dict(negatives='generated', shared_positive=False)),
    generator=dict(mapper=dict(part_layout='channel')),
    feat_target='rebuilt',
    update_statistics='all')

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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

adam = dict(type='Adam', lr=0.00001, betas=(0.0, 0.999), weight_decay=0.0005)
optim_wrapper = dict(generator=dict(optimizer=adam), discriminator=dict(optimizer=adam))
param_scheduler = dict(
    _delete_=True, generator=[], discriminator=[],
    encoder=dict(type='MultiStepLR', milestones=[10], gamma=0.1))
custom_hooks = [
    dict(
        type='PseudoLabelHook',
        clusterer=dict(type='DBSCANCluster', eps='adaptive', eps_ratio=0.002, min_samples=4, k1=30, k2=6),
        num_workers=4),
    dict(type='MemoryUpdateHook'),
]
