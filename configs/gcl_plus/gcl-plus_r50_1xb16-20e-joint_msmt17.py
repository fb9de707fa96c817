# GCL+ in its joint stage. load_from names the checkpoint of GCL's warm-up.
_base_ = [
    '../_base_/models/gcl_r50.py', '../_base_/datasets/msmt17_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
model = dict(
    type='GCLPlus',
    mixup=dict(alpha=0.6, one_sided=True, per_sample=True, partner='neighbour'),
    head=dict(type='GCLPlusHead', prototypes=dict(type='Prototypes', temperature=0.04, logits='cosine')))
custom_hooks = [
    dict(
        type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, min_samples=4, k1=30, k2=6),
        num_workers=4),
    dict(type='MemoryUpdateHook'),
]
