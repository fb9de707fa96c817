_base_ = 'c4_r50.py'

model = dict(roi_head=dict(type='OIMRoIHead', loss_weights=dict(bbox=10.0)))
