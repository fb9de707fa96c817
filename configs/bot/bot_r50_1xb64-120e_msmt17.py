_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/msmt17.py', '../_base_/schedules/reid_supervised.py',
    '../_base_/default_runtime.py'
]
model = dict(
    pooling=dict(_delete_=True, type='mmpretrain.GlobalAveragePooling'),
    head=dict(type='BoTHead', num_classes=1041, center=dict(type='CenterLoss')))
train_dataloader = dict(
    sampler=dict(_delete_=True, type='PKSampler', global_batch_size=64, num_instances=4),
    dataset=dict(merge_val=False))  # as fast-reid and BoT train
custom_hooks = [dict(type='MemoryUpdateHook')]
