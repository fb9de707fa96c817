# Both domains are the toy crops here: what matters is that every part runs.
_base_ = [
    '../_base_/models/reid_mobilenetv2.py', '../_base_/datasets/toy_crops.py', '../_base_/schedules/reid_usl.py',
    '../_base_/default_runtime.py'
]
model = dict(bn_splits=4, domain_norm=True, head=dict(type='SpCLHead'))
train_dataloader = dict(
    batch_size=64,
    sampler=dict(
        _delete_=True,
        type='CrossDomainSampler',
        global_batch_size=64,
        num_iters=20,
        source=dict(type='MultipleGallerySampler', num_instances=4),
        target=dict(type='MultipleGallerySampler', num_instances=4)),
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        source=dict(
            type='CropDataset', data_root='data/toy_crops', split='train', pipeline={{_base_.train_pipeline}}),
        target=dict(
            type='CropDataset', data_root='data/toy_crops', split='train', pipeline={{_base_.train_pipeline}})))

max_epochs = 15
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
param_scheduler = dict(milestones=[8, 12])
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='ReliableDBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
