# Recipe of NAE and SeqNet: SGD 0.003 at batch 5, one epoch of warm-up, a tenth of the rate after epoch 16.
max_epochs = 20
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.003, momentum=0.9, weight_decay=0.0005),
    clip_grad=dict(max_norm=10.0, norm_type=2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=2241),
    dict(type='MultiStepLR', by_epoch=True, milestones=[16], gamma=0.1),
]
auto_scale_lr = dict(enable=False, base_batch_size=5)
