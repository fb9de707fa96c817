# Stage 2 of GCL on toy crops, in minutes on a CPU. load_from names the checkpoint of a base encoder, for example of
# configs/cluster_contrast/cluster-contrast_mobilenetv2_1xb64-15e_toy.py.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/toy_crops_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_warmup.py'
]
model = dict(stage='warmup')
train_dataloader = dict(sampler=dict(_delete_=True, type='EpochSampler', drop_last=True, global_batch_size=16))

max_epochs = 5
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
