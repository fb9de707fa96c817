# Adam, ten epochs of warm-up, steps at epochs 40 and 70 (counted from 1), as in BoT.
max_epochs = 120
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=40)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.00035, weight_decay=0.0005))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.109, begin=0, end=10),
    dict(type='MultiStepLR', milestones=[39, 69], gamma=0.1),
]
