# ICFG-PEDES, as tools/dataset_converters/caption_releases.py writes it. It has no validation split, so
# nothing may be chosen by what validation says here: that is the test.
_base_ = './cuhk_pedes.py'
data = dict(data_root='data/icfg_pedes', name='icfg-pedes')
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=dict(data, split='test'))
test_dataloader = dict(dataset=data)
