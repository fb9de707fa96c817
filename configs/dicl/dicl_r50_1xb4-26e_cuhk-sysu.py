_base_ = [
    '../_base_/models/dicl_r50.py', '../_base_/datasets/cuhk_sysu_multiscale.py',
    '../_base_/schedules/weak_search_26e.py',
    '../_base_/default_runtime.py'
]

custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=1, num_workers=4,
         clusterer=dict(type='ReliableDBSCANCluster', eps=0.7, gap=0.02, min_samples=2, k1=30, k2=6)),
    dict(type='MemoryUpdateHook'),
]
test_evaluator = dict(score_weighted=False, duplicates='dicl')
val_evaluator = test_evaluator
