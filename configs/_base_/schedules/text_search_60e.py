# IRRA's: Adam with warm-up and a cosine, new layers five times faster.
max_epochs = 60
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.00001, weight_decay=0.00004),
    paramwise_cfg=dict(
        bias_lr_mult=2.0,
        bias_decay_mult=0.0,
        custom_keys={  # the longest name that fits counts
            'classifier': dict(lr_mult=5.0),
            'classifier.bias': dict(lr_mult=5.0, decay_mult=0.0),
            'self_attn.in_proj_bias': dict(lr_mult=2.0, decay_mult=0.0),
        }))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', eta_min=0.0, begin=5, end=max_epochs, convert_to_iter_based=True),
]
