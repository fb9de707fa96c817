# Generator and discriminator alone, constant learning rates.
max_epochs = 40
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

adam = dict(type='Adam', lr=0.0001, betas=(0.0, 0.999), weight_decay=0.0005)
optim_wrapper = dict(constructor='PartOptimizers', generator=dict(optimizer=adam), discriminator=dict(optimizer=adam))
param_scheduler = None
