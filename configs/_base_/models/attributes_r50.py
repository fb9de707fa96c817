# ResNet-50 with ImageNet weights, the mean over its map and one linear layer. Configs add num_attributes.
model = dict(
    type='AttributeModel',
    image_dims=2048,
    image_encoder=dict(
        type='ReIDResNet',
        depth=50,
        strides=(1, 2, 2, 2),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    data_preprocessor=dict(
        type='ViewsDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True))
