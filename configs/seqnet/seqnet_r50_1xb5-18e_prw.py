_base_ = [
    '../_base_/models/seqnet_r50.py', '../_base_/datasets/prw.py', '../_base_/schedules/search_20e.py',
    '../_base_/default_runtime.py'
]

model = dict(roi_head=dict(memory=dict(num_ids=483, queue_size=500)))
train_cfg = dict(max_epochs=18, val_interval=18)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=1140),
    dict(type='MultiStepLR', by_epoch=True, milestones=[16], gamma=0.1),
]
