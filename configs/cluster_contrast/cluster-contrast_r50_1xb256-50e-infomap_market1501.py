# InfoMap in the place of DBSCAN; needs the package infomap (GPL or AGPL): pip install pedsearch[infomap].
_base_ = './cluster-contrast_r50_1xb256-50e_market1501.py'
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='InfoMapCluster', k=15, min_sim=0.5, min_size=5), num_workers=4),
    dict(type='MemoryUpdateHook'),
    dict(type='RunningStatsHook'),
]
