_base_ = [
    '../_base_/models/nae_r50.py', '../_base_/datasets/cuhk_sysu.py', '../_base_/schedules/search_20e.py',
    '../_base_/default_runtime.py'
]

train_cfg = dict(max_epochs=22, val_interval=22)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'.bias': dict(decay_mult=0.0)}))
