_base_ = [
    '../_base_/models/nae_r50.py', '../_base_/datasets/prw.py', '../_base_/schedules/search_prw.py',
    '../_base_/default_runtime.py'
]

model = dict(roi_head=dict(memory=dict(num_ids=483, queue_size=500)))
train_cfg = dict(max_epochs=22, val_interval=22)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'.bias': dict(decay_mult=0.0)}))
