# VAL-PAT with both towers of CLIP ViT-B/16, from the file that tools/model_converters/clip_encoder.py writes. Our own
# settings; the temperature is CLIP's.
_base_ = './val_pat_r50.py'
model = dict(
    image_encoder=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch='base',
        img_size=(384, 128),
        patch_size=16,
        pre_norm=True,
        norm_cfg=dict(type='LN', eps=1e-5),
        layer_cfgs=dict(act_cfg=dict(type='mmpretrain.QuickGELU'))),
    image_dims=768,
    embed_dims=512,
    texts=dict(temperature=0.01),
    data_preprocessor=dict(
        mean=[122.7709383, 116.7460125, 104.09373615], std=[68.5005327, 66.6321375, 70.32316304]),
    init_cfg=dict(type='Pretrained', checkpoint='clip_vit-b-16.pth'))
