_base_ = [
    '../_base_/models/attributes_r50.py', '../_base_/datasets/market1501_attributes.py',
    '../_base_/default_runtime.py', '../_base_/schedules/attributes_30e.py'
]
model = dict(num_attributes=30)
# steps of our own: there is no validation split to watch
train_cfg = dict(val_interval=30)
param_scheduler = dict(_delete_=True, type='MultiStepLR', milestones=[15, 25], gamma=0.1)
custom_hooks = [dict(type='PositiveRatesHook')]
