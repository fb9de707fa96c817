# From scratch: model.image_encoder.init_cfg=None, with which the README's row was trained.
_base_ = [
    '../_base_/models/attributes_mobilenetv2.py', '../_base_/datasets/toy_attributes.py', '../_base_/default_runtime.py'
]
model = dict(num_attributes=36)
max_epochs = 12
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.002, weight_decay=0.0005),
    clip_grad=dict(max_norm=10.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=33),
    dict(type='CosineAnnealingLR', by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
custom_hooks = [dict(type='PositiveRatesHook')]
