# Upper bound: the identities of the toy people in the place of clusters.
_base_ = [
    '../_base_/models/dicl_toy.py', '../_base_/datasets/toy_scenes.py', '../_base_/schedules/weak_search_toy.py',
    '../_base_/default_runtime.py'
]

custom_hooks = [
    dict(type='PseudoLabelHook', batch_size=8, refresh=True, clusterer=None),
    dict(type='MemoryUpdateHook'),
]
