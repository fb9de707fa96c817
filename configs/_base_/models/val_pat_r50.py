# VAL-PAT with ResNet-50 and a text encoder of CLIP's form: the profile that compares with published systems. Our own
# settings; mean and standard deviation are LUPerson's.
model = dict(
    type='ValPat',
    image_encoder=dict(
        type='ReIDResNet',
        depth=50,
        strides=(1, 2, 2, 2),
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    image_dims=2048,
    embed_dims=256,
    bn_splits=8,  # as on eight GPUs, which LUPerson's settings are of
    objectives=dict(views=1.0, texts=1.0, attributes=1.0),
    views=dict(embed_dims=128, queue_length=65536, temperature=0.1),
    texts=dict(temperature=0.07),
    attributes=dict(num_attributes=27, weighting='deepmar', reduction='mean'),
    momentum=0.999,
    text_encoder=dict(type='TextTransformer', context=77, width=512, num_layers=12, num_heads=8),
    tokenizer=dict(type='clip_tokenizer'),
    data_preprocessor=dict(
        type='ViewsDataPreprocessor',
        mean=[89.8875, 79.203, 80.07],
        std=[67.83, 64.311, 63.8775],
        bgr_to_rgb=True))
