# Adam that slows down where validation stands still, as in Rethinking of PAR.
max_epochs = 30
train_cfg = dict(type='ResumableEpochLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='Adam', lr=0.0001, weight_decay=0.0005),
    clip_grad=dict(max_norm=10.0))
param_scheduler = dict(type='ReduceOnPlateauLR', monitor='attribute/mA', rule='greater', factor=0.1, patience=4)
