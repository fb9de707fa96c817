# GCL+ in its joint stage on toy crops. load_from names the checkpoint of GCL's warm-up.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/toy_crops_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
model = dict(
    type='GCLPlus',
    loss_weights=dict(adversarial=0.1),
    encoder_losses='contrast',
    mixup=dict(alpha=0.6, one_sided=True, per_sample=True, partner='neighbour'),
    head=dict(type='GCLPlusHead', prototypes=dict(type='Prototypes', temperature=0.04, logits='cosine')))
max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
]
