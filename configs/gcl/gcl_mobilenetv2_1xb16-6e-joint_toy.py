# Stage 3 of GCL on toy crops. load_from names the checkpoint of the warm-up.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/toy_crops_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_joint.py'
]
model = dict(loss_weights=dict(adversarial=0.1), encoder_losses='contrast')
max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=1)
custom_hooks = [
    dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster', eps=0.55, k1=12, k2=3)),
    dict(type='MemoryUpdateHook'),
]
