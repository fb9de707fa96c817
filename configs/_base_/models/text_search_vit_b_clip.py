# Both towers of CLIP ViT-B/16, from the file that tools/model_converters/clip_encoder.py writes, without masked words.
# Configs add num_ids, that of the training set.
model = dict(
    type='TextSearchModel',
    image_encoder=dict(
        type='mmpretrain.VisionTransformer',
        arch='base',
        img_size=(384, 128),
        patch_size=16,
        pre_norm=True,
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))),
    image_dims=768,
    embed_dims=512,
    objectives=dict(distribution=1.0, identity=1.0),
    temperature=0.02,
    text_encoder=dict(type='TextTransformer'),
    tokenizer=dict(type='clip_tokenizer'),
    data_preprocessor=dict(
        type='ViewsDataPreprocessor',
        mean=[122.7709383, 116.7460125, 104.09373615],
        std=[68.5005327, 66.6321375, 70.32316304],
        bgr_to_rgb=True))
