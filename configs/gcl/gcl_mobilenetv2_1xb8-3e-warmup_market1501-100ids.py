# Stage 2 of GCL on 100 of Market-1501's identities, ten minutes on two CPU cores. load_from names the checkpoint of a
# base encoder, for example of configs/cluster_contrast/cluster-contrast_mobilenetv2_1xb64-15e_market1501-100ids.py.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/market1501.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_warmup.py'
]
# In so few steps the photo has to teach: with the published weights the adversarial gradient was 37 times as long as
# the photo's in one batch of toy crops, after 132 steps of a trial run.
model = dict(stage='warmup', loss_weights=dict(adversarial=0.1, image=25.))

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
    batch_size=8,
    num_workers=0,
    persistent_workers=False,
    sampler=dict(_delete_=True, type='EpochSampler', drop_last=True, global_batch_size=8),
    dataset=dict(max_ids=100, pipeline=train_pipeline))
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(max_ids=100, pipeline=test_pipeline))
val_dataloader = test_dataloader

max_epochs = 3
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
adam = dict(type='Adam', lr=0.001, betas=(0.5, 0.999), weight_decay=0.0)
optim_wrapper = dict(generator=dict(optimizer=adam))
