# AdamW with warm-up and a cosine, the text side five times slower; our own. A learning rate belongs to 1024 photos a
# step: --auto-scale-lr scales it with the batch.
max_epochs = 50
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

slow = dict(lr_mult=0.2)
slow_whole = dict(lr_mult=0.2, decay_mult=0.0)  # shifts and norms of the text side
optim_wrapper = dict(
    type='AmpOptimWrapper',
    dtype='bfloat16',
    optimizer=dict(type='AdamW', lr=0.0005, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={  # the longest name that fits counts
            'text': slow,
            'text_neck.bias': slow_whole,
            'text_encoder.norm': slow_whole,
            'text_encoder.embedding_norm': slow_whole,
            'self_attn.in_proj_bias': slow_whole,
            'self_attn.out_proj.bias': slow_whole,
            'linear1.bias': slow_whole,
            'linear2.bias': slow_whole,
            'norm1': slow_whole,
            'norm2': slow_whole,
            'texts.temperature': dict(decay_mult=0.0),
        }),
    clip_grad=dict(max_norm=3.0))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, begin=0, end=2, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=1e-6, begin=2, end=max_epochs, convert_to_iter_based=True),
]
auto_scale_lr = dict(enable=False, base_batch_size=1024)
