# VAL-PAT with the small ViT of DeiT. Our own settings.
_base_ = './val_pat_r50.py'
model = dict(
    bn_splits=1,  # it has no batch norm
    image_encoder=dict(
        _delete_=True,
        type='mmpretrain.VisionTransformer',
        arch='deit-small',
        img_size=(256, 128),
        patch_size=16,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained',
            prefix='backbone',
            checkpoint='https://download.openmmlab.com/mmclassification/v0/deit/'
            'deit-small_pt-4xb256_in1k_20220218-9425b9bb.pth')),
    image_dims=384)
