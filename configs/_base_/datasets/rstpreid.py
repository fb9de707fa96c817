# RSTPReid, as tools/dataset_converters/caption_releases.py writes it.
_base_ = './cuhk_pedes.py'
data = dict(data_root='data/rstpreid', name='rstpreid')
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = dict(dataset=data)
