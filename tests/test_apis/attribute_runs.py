"""A tiny model that tells attributes, and crops of noise, for the command line."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.datasets.multimodal import AttributeSchema, DescribedImage, write_annotations
from pedsearch.registry import MODELS

NAMES = 'female', 'hat', 'backpack', 'upper_red', 'lower_blue'
SIZE = (32, 16)


def write_attribute_run(folder: Path) -> tuple[Config, nn.Module]:
    """``config.py``, ``weights.pth`` and the meta file ``par.meta.json`` with schema ``look``; the config and the model.

    The last layer is scaled until probabilities spread over all of [0, 1].
    """
    model = dict(
        type='AttributeModel', image_dims=32, num_attributes=len(NAMES),
        image_encoder=dict(type='ReIDResNet', depth=18, stem_channels=4, base_channels=4),
        data_preprocessor=dict(type='ViewsDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True))
    pipeline = [dict(type='LoadImage'), dict(type='mmpretrain.Resize', scale=SIZE[::-1]), dict(type='PackMultiModalInputs')]
    dataset = dict(type='PedestrianMultiModalDataset', data_root=str(folder), name='par', schema='look', pipeline=pipeline)
    cfg = Config(dict(model=model, test_dataloader=dict(dataset=dataset)))
    cfg.dump(folder / 'config.py')
    write_annotations(str(folder), 'par', [DescribedImage(0, 'x.jpg', 'test')], dict(look=AttributeSchema(NAMES)))
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    built = MODELS.build(model).eval()
    with torch.no_grad():
        built.attribute_head.weight.mul_(400)
    torch.save(dict(state_dict=built.state_dict()), folder / 'weights.pth')
    return cfg, built


def write_noise_crops(folder: Path, num: int, seed: int = 0) -> list[str]:
    """Pictures of 96 x 40 in two folders, by path; and one that is too small, ``small.png``."""
    rng, names = np.random.default_rng(seed), []
    for index in range(num):
        name = f'{"ab"[index % 2]}/{index:03d}.png'
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / name), cv2.resize(blocks, (40, 96)))
        names.append(name)
    cv2.imwrite(str(folder / 'small.png'), np.zeros((40, 20, 3), np.uint8))
    return sorted(names)
