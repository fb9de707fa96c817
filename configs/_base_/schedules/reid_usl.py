# Adam with steps, as in SpCL and Cluster Contrast.
max_epochs = 50
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.00035, weight_decay=0.0005))
param_scheduler = dict(type='MultiStepLR', milestones=[20, 40], gamma=0.1)
