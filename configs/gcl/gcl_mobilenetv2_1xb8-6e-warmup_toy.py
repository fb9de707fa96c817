# Stage 2 of GCL on toy crops, in minutes on a CPU. load_from names the checkpoint of a base encoder, for example of
# configs/spcl/spcl_mobilenetv2_1xb64-15e_toy.py.
_base_ = [
    '../_base_/models/gcl_mobilenetv2.py', '../_base_/datasets/toy_crops_meshes.py', '../_base_/manual_runtime.py',
    '../_base_/schedules/gcl_warmup.py'
]
# In so few steps the photo has to teach: with the published weights the adversarial gradient was 37 times as long as
# the photo's in one batch of toy crops, after 132 steps of a trial run.
model = dict(stage='warmup', loss_weights=dict(adversarial=0.1, image=25.))
train_dataloader = dict(
    batch_size=8, sampler=dict(_delete_=True, type='EpochSampler', drop_last=True, global_batch_size=8))

max_epochs = 6
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
adam = dict(type='Adam', lr=0.001, betas=(0.5, 0.999), weight_decay=0.0)
optim_wrapper = dict(generator=dict(optimizer=adam))
