# Adam, 2000 iterations of warm-up, two steps that methods set, as in fast-reid.
max_epochs = 120
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=40)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.00035, weight_decay=0.0005))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=2001),
    dict(type='MultiStepLR', milestones=[49, 99], gamma=0.1),
]
