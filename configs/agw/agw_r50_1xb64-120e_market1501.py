_base_ = [
    '../_base_/models/reid_r50.py', '../_base_/datasets/market1501.py', '../_base_/schedules/reid_fast.py',
    '../_base_/default_runtime.py'
]
model = dict(
    backbone=dict(non_local=(0, 2, 3, 0)),
    pooling=dict(trainable=False),
    head=dict(
        type='AGWHead', num_classes=751, cross_entropy=dict(type='SmoothedCrossEntropyLoss', spread='others')))
train_dataloader = dict(sampler=dict(_delete_=True, type='PKSampler', global_batch_size=64, num_instances=4))
custom_hooks = [dict(type='MemoryUpdateHook')]
