# Your own scenes with boxes but without identities, from ImageNet weights: docs/own_data.md.
# Sizes are those of pedestrians between 30 and 250 pixels high once the scene is 800 wide.
_base_ = [
    '../_base_/models/cgps_toy.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/weak_search_toy.py',
    '../_base_/default_runtime.py'
]

model = dict(rpn_head=dict(anchor_generator=dict(scales=[1.5, 2.5, 4, 6.5, 10])))

scale = (800, 450)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadSearchAnnotations'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='mmdet.RandomFlip', prob=0.5),
    dict(type='PackSearchInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='mmdet.Resize', scale=scale, keep_ratio=True),
    dict(type='LoadSearchAnnotations'),
    dict(type='PackSearchInputs'),
]
train_dataloader = dict(dataset=dict(data_root='data/scenes', pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(data_root='data/scenes', pipeline=test_pipeline))
val_dataloader = test_dataloader

custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=8, refresh=True,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.6, gap=0.02, min_samples=2, k1=10, k2=3)),
    dict(type='MemoryUpdateHook'),
]
