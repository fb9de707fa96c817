_base_ = [
    '../_base_/models/attributes_r50.py', '../_base_/datasets/pa100k.py', '../_base_/default_runtime.py',
    '../_base_/schedules/attributes_30e.py'
]
model = dict(num_attributes=26)
default_hooks = dict(checkpoint=dict(save_best='attribute/mA', rule='greater'))
custom_hooks = [dict(type='PositiveRatesHook')]
