# The encoders of val_pat_tiny.py, to be trained with identities. num_ids is that of the training set.
model = dict(
    type='TextSearchModel',
    image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=32, base_channels=32),
    image_dims=256,
    embed_dims=32,
    objectives=dict(distribution=1.0, identity=1.0),
    num_ids=60,
    temperature=0.02,
    text_encoder=dict(type='TextTransformer', context=40, width=64, num_layers=2, num_heads=4),
    tokenizer=dict(type='saved_tokenizer', file='data/toy_crops/words.json'),
    data_preprocessor=dict(
        type='ViewsDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True))
