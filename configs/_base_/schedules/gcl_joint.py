# Everything together; learning rates fall once.
max_epochs = 20
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

adam = dict(type='Adam', lr=0.0001, betas=(0.0, 0.999), weight_decay=0.0005)
sgd = dict(type='SGD', lr=0.00035, momentum=0.9, nesterov=True, weight_decay=0.0005)
optim_wrapper = dict(
    constructor='PartOptimizers', generator=dict(optimizer=adam), discriminator=dict(optimizer=adam),
    encoder=dict(optimizer=sgd))
falling = dict(type='MultiStepLR', milestones=[10], gamma=0.1)
param_scheduler = dict(generator=falling, discriminator=falling, encoder=falling)
