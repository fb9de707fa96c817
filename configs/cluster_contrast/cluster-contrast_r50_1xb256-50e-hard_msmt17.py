# The recipe of the first release: the memory follows the least similar sample of each cluster.
_base_ = './cluster-contrast_r50_1xb256-50e_msmt17.py'
model = dict(head=dict(memory=dict(hard=True)))
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.7), num_workers=4),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
