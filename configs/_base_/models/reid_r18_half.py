# A half-width ResNet-18 from scratch, for small pictures on a CPU.
_base_ = './reid_r50.py'
model = dict(
    embed_dims=256,
    backbone=dict(depth=18, stem_channels=32, base_channels=32, init_cfg=None),
    neck=dict(in_channels=256))
