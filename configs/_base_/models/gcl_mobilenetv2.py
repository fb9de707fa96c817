# GCL in small for a CPU: MobileNetV2, half of the generator's width.
model = dict(
    type='GCL',
    stage='joint',
    amp_dtype=None,  # --amp: 'bfloat16'
    embed_dims=1280,
    data_preprocessor=dict(
        type='mmengine.ImgDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='ReIDMobileNetV2',
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/mobilenet_v2/'
            'mobilenet_v2_batch256_imagenet_20200708-3b2dc3af.pth')),
    pooling=dict(type='GeMPooling'),
    neck=dict(type='BNNeck', in_channels=1280),
    head=dict(type='GCLHead', memory=dict(type='ViewMemory')),
    generator=dict(
        type='ViewGenerator',
        structure_encoder=dict(type='StructureEncoder', base_channels=8),
        mapper=dict(type='StyleMapper', code_dims=5120, hidden_dims=128, channels=64, part_layout='part'),
        decoder=dict(type='AdaINDecoder', in_channels=64)),
    discriminator=dict(type='MultiScaleDiscriminator', num_scales=3, base_channels=16))
