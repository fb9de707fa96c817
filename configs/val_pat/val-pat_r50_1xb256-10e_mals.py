# For one GPU.
_base_ = './val-pat_r50_1xb1024-50e_mals.py'
model = dict(views=dict(queue_length=16384))
train_dataloader = dict(batch_size=256, sampler=dict(global_batch_size=256))
max_epochs = 10
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(optimizer=dict(lr=0.000125))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=1, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, begin=1, end=max_epochs, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=256)
