_base_ = [
    '../_base_/models/rsiamnet_r50.py', '../_base_/datasets/prw_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.7, gap=0.02, min_samples=4, k1=30, k2=6,
                        split_scenes=False)),
    dict(type='MemoryUpdateHook'),
]
