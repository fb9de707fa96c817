# The control: batch norm over the whole batch, which is known to cost much accuracy.
_base_ = './cluster-contrast_r50_1xb256-50e_market1501.py'
model = dict(bn_splits=1)
