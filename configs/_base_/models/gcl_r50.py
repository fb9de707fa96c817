# GCL, preset "paper": the encoder is JVTC's ResNet-50 with an embedding of 512 dimensions. Configs with "release" in
# their names compute what the released code does, one named switch each.
_base_ = 'reid_r50.py'

model = dict(
    type='GCL',
    stage='joint',
    amp_dtype=None,  # --amp: 'bfloat16'
    embed_dims=512,
    pooling=dict(type='GeMPooling', p=1.0, trainable=False),  # the mean
    neck=dict(in_channels=2048, out_channels=512, shift=True),
    head=dict(
        type='GCLHead',
        memory=dict(type='ViewMemory', temperature=0.04, momentum=0.2, num_negatives=8192, negatives='own',
                    shared_positive=True)),
    generator=dict(
        type='ViewGenerator',
        structure_encoder=dict(type='StructureEncoder', base_channels=16),
        mapper=dict(type='StyleMapper', code_dims=8192, hidden_dims=512, channels=128, part_layout='part'),
        decoder=dict(type='AdaINDecoder', in_channels=128)),
    discriminator=dict(type='MultiScaleDiscriminator', num_scales=3, base_channels=32),
    feat_target='turned',
    update_statistics='photos')
