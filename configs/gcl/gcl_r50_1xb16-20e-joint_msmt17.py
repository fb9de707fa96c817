# Stage 3 of GCL: generation and contrast together. load_from names the checkpoint of the warm-up.
_base_ = [
    '../_base_/models/gcl_r50.py', '../_base_/datasets/msmt17_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
custom_hooks = [
    dict(
        type='PseudoLabelHook',
        clusterer=dict(type='DBSCANCluster', eps='adaptive', eps_ratio=0.0012, min_samples=4, k1=30, k2=6),
        num_workers=4),
    dict(type='MemoryUpdateHook'),
]
