# RAPv2, as tools/dataset_converters/attribute_releases.py writes it; what is uncertain counts as absent, as in the
# published figures.
_base_ = './pa100k.py'
data = dict(data_root='data/rapv2', name='rapv2', schema='rapv2', unknown_as_negative=True)
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=data)
test_dataloader = dict(dataset=data)
