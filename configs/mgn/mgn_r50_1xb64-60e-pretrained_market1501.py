# From an encoder that VAL-PAT learnt, written by tools/model_converters/export_encoder.py. Mean and standard deviation
# are those of the pre-training; the file's meta names them.
_base_ = './mgn_r50_1xb64-60e_market1501.py'
model = dict(
    data_preprocessor=dict(mean=[89.8875, 79.203, 80.07], std=[67.83, 64.311, 63.8775]),
    backbone=dict(
        branch_norm=True,
        init_cfg=dict(_delete_=True, type='Pretrained', checkpoint='encoder.pth', prefix='image_encoder')))
