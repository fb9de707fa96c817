# Market-1501 with attributes, as tools/dataset_converters/market_attributes.py writes it. There is no validation split.
_base_ = './pa100k.py'
data = dict(data_root='data/market1501', name='market1501', schema='market')
train_dataloader = dict(dataset=data)
val_dataloader = dict(dataset=dict(data, split='test'))
test_dataloader = dict(dataset=data)
