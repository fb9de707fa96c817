# MobileNetV2 with ImageNet weights, last stride 1: small enough for a CPU.
_base_ = './reid_r50.py'
model = dict(
    embed_dims=1280,
    backbone=dict(
        _delete_=True,
        type='ReIDMobileNetV2',
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
            'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')),
    neck=dict(in_channels=1280))
