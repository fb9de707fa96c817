# GCL in small for a CPU: MobileNetV2, half of the generator's width.
_base_ = 'reid_mobilenetv2.py'

model = dict(
    type='GCL',
    stage='joint',
    amp_dtype=None,  # --amp: 'bfloat16'
    head=dict(type='GCLHead', memory=dict(type='ViewMemory')),
    generator=dict(
        type='ViewGenerator',
        structure_encoder=dict(type='StructureEncoder', base_channels=8),
        mapper=dict(type='StyleMapper', code_dims=5120, hidden_dims=128, channels=64, part_layout='part'),
        decoder=dict(type='AdaINDecoder', in_channels=64)),
    discriminator=dict(type='MultiScaleDiscriminator', num_scales=3, base_channels=16))
