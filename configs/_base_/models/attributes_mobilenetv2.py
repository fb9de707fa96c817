# MobileNetV2 with ImageNet weights, last stride 1: small enough for a CPU.
_base_ = './attributes_r50.py'
model = dict(
    image_dims=1280,
    image_encoder=dict(
        _delete_=True,
        type='ReIDMobileNetV2',
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
            'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')))
