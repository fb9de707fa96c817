_base_ = [
    '../_base_/models/dicl_toy.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/weak_search_toy.py',
    '../_base_/default_runtime.py'
]

custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=8, refresh=True,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.6, gap=0.02, min_samples=2, k1=10, k2=3)),
    dict(type='MemoryUpdateHook'),
]
