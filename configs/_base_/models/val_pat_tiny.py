# VAL-PAT small enough for a test: half of a ResNet-18 and a text encoder of two layers.
model = dict(
    type='ValPat',
    image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=32, base_channels=32),
    image_dims=256,
    embed_dims=32,
    bn_splits=4,
    # the best of three settings on toy crops: contrast of views with weight 1 drowns the rest in so few steps
    objectives=dict(views=0.1, texts=1.0, attributes=10.0),
    views=dict(embed_dims=32, queue_length=1024, temperature=0.1),
    texts=dict(temperature=0.07),
    attributes=dict(num_attributes=36, weighting='deepmar', reduction='mean'),
    momentum=0.99,
    text_encoder=dict(type='TextTransformer', context=40, width=64, num_layers=2, num_heads=4),
    tokenizer=dict(type='saved_tokenizer', file='data/toy_crops/words.json'),
    data_preprocessor=dict(
        type='ViewsDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True))
