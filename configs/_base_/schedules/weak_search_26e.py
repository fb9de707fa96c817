# Recipe of DICL and CGPS: SGD 0.001, warm-up over 2,242 iterations, a tenth of the rate after epochs 16 and 22.
max_epochs = 26
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=0.0005),
    clip_grad=dict(max_norm=10.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=1 / 200, by_epoch=False, begin=0, end=2243),
    dict(type='MultiStepLR', by_epoch=True, milestones=[16, 22], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=4)
