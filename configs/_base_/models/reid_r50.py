# ResNet-50 with ImageNet weights, last stride 1, and a batch norm neck. Methods add the head.
model = dict(
    type='ReIDModel',
    embed_dims=2048,
    data_preprocessor=dict(
        type='mmengine.ImgDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='ReIDResNet', depth=50, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    pooling=dict(type='GeMPooling'),
    neck=dict(type='BNNeck', in_channels=2048))
