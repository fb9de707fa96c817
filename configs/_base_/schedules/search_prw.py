# The recipe on PRW: one epoch of warm-up is 1,140 iterations.
_base_ = 'search_20e.py'

max_epochs = 18
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1140),
    dict(type='MultiStepLR', by_epoch=True, milestones=[16], gamma=0.1),
]
