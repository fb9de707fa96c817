# Stage 3 of GCL on 100 of Market-1501's identities. load_from names the checkpoint of the warm-up.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/market1501.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
model = dict(loss_weights=dict(adversarial=0.1))

size = (128, 64)  # the size of the released crops
data_root = 'data/market1501'
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(
        type='LoadMeshViews',
        views=dict(
            type='MeshViewGenerator', bodies=dict(type='AnnyFits', file=f'{data_root}/bodies.npz'), image_size=size,
            cache=f'{data_root}/mesh_views_small')),
    dict(type='PackReIDInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmpretrain.Resize', scale=size[::-1], backend='pillow', interpolation='bicubic'),
    dict(type='PackReIDInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='LabelledSampler', global_batch_size=16),
    dataset=dict(max_ids=100, pipeline=train_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(max_ids=100, pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 2
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.5, k1=20)),
    dict(type='MemoryUpdateHook'),
]
