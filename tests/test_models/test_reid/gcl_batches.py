"""Small GCL models, their optimizers, and batches of noise."""

import torch
from mmengine.optim import OptimWrapperDict
from mmengine.registry import init_default_scope

from pedsearch.engine import PartOptimizers
from pedsearch.models.reid import GCL
from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

DIMS, NUM_IMAGES, SIZE = 16, 20, (64, 48)


def gcl_config(kind: str = 'GCL', **kwargs) -> dict:
    """Narrow networks."""
    return dict(dict(
        type=kind,
        embed_dims=DIMS,
        backbone=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4),
        neck=dict(type='BNNeck', in_channels=32, out_channels=DIMS),
        head=dict(type=f'{kind}Head', memory=dict(type='ViewMemory', temperature=0.5, num_negatives=6)),
        generator=dict(
            type='ViewGenerator',
            structure_encoder=dict(type='StructureEncoder', base_channels=2),
            mapper=dict(type='StyleMapper', code_dims=128, hidden_dims=8, channels=16),
            decoder=dict(type='AdaINDecoder', in_channels=16)),
        discriminator=dict(type='MultiScaleDiscriminator', base_channels=4, num_scales=2),
        data_preprocessor=dict(type='mmengine.ImgDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True)),
        **kwargs)


def small_gcl(kind: str = 'GCL', seed: int = 0, **kwargs) -> GCL:
    """A model of narrow networks, always the same weights; every four images share a pseudo label."""
    init_default_scope('pedsearch')
    torch.manual_seed(seed)
    model = MODELS.build(gcl_config(kind, **kwargs))
    for net in (model.generator, model.discriminator):
        net.init_weights()
    model.head.init_memory(torch.randn(NUM_IMAGES, DIMS, generator=torch.Generator().manual_seed(seed)))
    model.head.reset_memory(model.head.memory_feats(), torch.arange(NUM_IMAGES) // 4)
    return model.train()


def optimizers(model: GCL, lr: float = 0.01, kind: str = 'SGD', **kwargs) -> OptimWrapperDict:
    """One for each part of the model."""
    cfg = dict(optimizer=dict(type=kind, lr=lr, **kwargs))
    return PartOptimizers({name: cfg for name in model.optimized_parts()})(model)


def batch(num: int = 4, seed: int = 0) -> dict:
    """Photos, meshes and turned meshes of images of different labels."""
    generator = torch.Generator().manual_seed(seed)

    def picture(channels: int) -> torch.Tensor:
        return torch.randint(0, 256, (channels, *SIZE), generator=generator, dtype=torch.uint8)

    samples = []
    for index in range(num):
        sample = ReIDDataSample(metainfo=dict(
            sample_idx=(5 * index + seed) % NUM_IMAGES, label=(5 * index + seed) % NUM_IMAGES // 4,
            seed=100 * seed + index, img_path=f'{index}.jpg'))
        sample.set_data(dict(mesh=picture(1), turned_mesh=picture(1)))
        samples.append(sample)
    return dict(inputs=[picture(3) for _ in range(num)], data_samples=samples)


def generated(model, data):
    """Views of a batch, and its samples."""
    data = model.data_preprocessor(data, True)
    samples = data['data_samples']
    return model.generate(data['inputs'], *model.meshes(samples), samples), samples
