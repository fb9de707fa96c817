"""A tiny re-identification network and crops of noise in Market-1501's layout, for the command line."""

from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

import pedsearch  # noqa: F401
from pedsearch.registry import MODELS

SIZE = (32, 16)
NUM_TRAIN, NUM_QUERIES, NUM_GALLERY = 12, 6, 9


def write_crops(root: Path) -> Path:
    """3 people, each with a colour of its own, from 3 cameras; 4 training images each."""
    rng = np.random.default_rng(0)
    for folder, count, first in (('bounding_box_train', NUM_TRAIN, 1), ('query', NUM_QUERIES, 4),
                                 ('bounding_box_test', NUM_GALLERY, 4)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for place in range(count):
            person, camera = place % 3, place // 3 % 3
            image = 60 + 60 * np.eye(3)[person] + rng.integers(0, 60, (*SIZE, 3))
            name = f'{first + person:04d}_c{camera + 1}s1_{place:06d}_0{place % 9}.png'
            cv2.imwrite(str(root / folder / name), image.astype(np.uint8))
    return root


def reid_config(root: Path, **options: object) -> Config:
    """Model, data loaders and metric of a test."""
    pipeline = [dict(type='LoadImage'), dict(type='mmpretrain.Resize', scale=SIZE[::-1]), dict(type='PackReIDInputs')]

    def loader(split: str, **kwargs: object) -> dict:
        return dict(batch_size=4, num_workers=0, sampler=dict(type='EpochSampler', shuffle=False),
                    dataset=dict(type='Market1501Dataset', data_root=str(root), split=split, pipeline=pipeline, **kwargs))

    cfg = Config(dict(
        default_scope='pedsearch',
        model=dict(
            type='ReIDModel',
            embed_dims=64,
            data_preprocessor=dict(type='mmengine.ImgDataPreprocessor', mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True),
            backbone=dict(type='ReIDResNet', depth=18, stem_channels=8, base_channels=8),
            neck=dict(type='BNNeck', in_channels=64),
            head=dict(type='ClusterContrastHead')),
        train_dataloader=loader('train'),
        train_cfg=dict(type='ResumableEpochLoop', max_epochs=1),
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.01)),
        test_dataloader=loader('test', test_mode=True),
        test_evaluator=dict(type='ReIDMetric'),
        test_cfg=dict(type='TestLoop')))
    cfg.merge_from_dict(options)
    return cfg


def build(cfg: Config) -> nn.Module:
    """The network, always with the same random weights."""
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    return MODELS.build(cfg.model).eval()


def write_run(folder: Path) -> tuple[Config, nn.Module]:
    """Crops, ``config.py`` and ``weights.pth`` in a folder; the config and the network."""
    cfg = reid_config(write_crops(folder / 'crops'))
    model = build(cfg)
    cfg.dump(folder / 'config.py')
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')
    return cfg, model
