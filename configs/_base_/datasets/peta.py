# PETA, as tools/dataset_converters/attribute_releases.py writes it.
_base_ = './pa100k.py'
data = dict(data_root='data/peta', name='peta', schema='peta')
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = dict(dataset=data)
