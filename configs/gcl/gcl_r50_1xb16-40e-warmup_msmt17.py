# Stage 2 of GCL: the generator learns to turn people, the encoder stays. load_from names an encoder that was trained
# without labels.
_base_ = [
    '../_base_/models/gcl_r50.py', '../_base_/datasets/msmt17_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_warmup.py'
]
model = dict(stage='warmup')
train_dataloader = dict(sampler=dict(_delete_=True, type='EpochSampler', drop_last=True, global_batch_size=16))
