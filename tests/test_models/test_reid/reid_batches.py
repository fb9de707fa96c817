"""Small models and batches of noise."""

import torch
from mmengine.registry import init_default_scope

from pedsearch.models.reid import ReIDModel
from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

DIMS = 32


def small_model(head: dict, **kwargs) -> ReIDModel:
    """A ResNet-18 of 1/16 of the width, always the same weights."""
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    backbone = dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4)
    return MODELS.build(dict(type='ReIDModel', backbone=backbone, head=head, embed_dims=DIMS, **kwargs))


def samples_of(labels: list[int], **metainfo: list) -> list[ReIDDataSample]:
    return [ReIDDataSample(metainfo=dict(sample_idx=index, label=label, img_path=f'{index}.jpg',
                                         **{name: values[index] for name, values in metainfo.items()}))
            for index, label in enumerate(labels)]


def images(num: int, seed: int = 0) -> torch.Tensor:
    """(num, 3, 32, 16) as the preprocessor gives them."""
    return torch.randn(num, 3, 32, 16, generator=torch.Generator().manual_seed(seed))
