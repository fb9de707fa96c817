"""Whole trainings of a tiny re-identification network on crops of coloured blocks."""

from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config, ConfigDict

import pedsearch  # noqa: F401
from tests.toy_models import CONFIGS
from tests.toy_runs import train

SIZE = (32, 16)  # (height, width)


def write_block_crops(root: Path, num_ids: int = 8, num_images: int = 6, num_cameras: int = 2, labeled: bool = True,
                      seed: int = 0) -> Path:
    """A crop folder: everybody has two colours, cameras differ in brightness. Test people are other people."""
    rng = np.random.default_rng(seed)
    for part in ('train', 'query', 'gallery'):
        first = 0 if part == 'train' else num_ids
        colours = np.random.default_rng(seed + 1 + first).integers(40, 215, (num_ids, 2, 3))
        for person in range(num_ids):
            folder = root / part / (f'p{first + person:03d}' if labeled or part != 'train' else '')
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(num_cameras if part == 'query' else num_images):
                camid = index % num_cameras
                image = np.repeat(colours[person], SIZE[0] // 2, axis=0)[:, None].repeat(SIZE[1], axis=1).astype(float)
                image = image * (1 - .1 * camid) + rng.normal(0, 12, image.shape)
                name = f'{person:03d}_c{camid}_{index}_{part}.png'
                cv2.imwrite(str(folder / name), np.clip(image, 0, 255).astype(np.uint8))
    return root


def crop_config(method: str, root: Path, work_dir: Path, batch_size: int = 16, epochs: int = 2, **overrides) -> Config:
    """The toy config of a method on a ResNet-18 of 1/8 of the width, with plain SGD.

    Adam turns rounding errors of tiny gradients into whole steps, which would hide whether two runs are the same.
    """
    recipe = 'r18-half_1xb32-20e' if method in ('agw', 'bot') else 'mobilenetv2_1xb64-15e'
    path = CONFIGS / method.replace('-', '_').replace('spcl_uda', 'spcl') / f'{method}_{recipe}_toy.py'
    cfg = Config.fromfile(path)
    cfg.model.backbone = ConfigDict(type='ReIDResNet', depth=18, stem_channels=8, base_channels=8,
                                    non_local=cfg.model.backbone.get('non_local'))
    cfg.model.embed_dims = cfg.model.neck.in_channels = 64
    if 'bn_splits' in cfg.model:
        cfg.model.bn_splits = 2
    if 'num_classes' in cfg.model.head:
        cfg.model.head.num_classes = 8
    datasets = [loader.dataset for loader in (cfg.train_dataloader, cfg.test_dataloader)]
    datasets = [part for dataset in datasets for part in (dataset.get('source'), dataset.get('target'), dataset) if part]
    for dataset in datasets:
        if 'data_root' in dataset:
            dataset.update(data_root=str(root), camera_pattern=r'_c(\d)', pipeline=_shrink(dataset.pipeline))
    cfg.train_dataloader.batch_size = batch_size
    sampler = cfg.train_dataloader.sampler
    sampler.update(global_batch_size=batch_size, num_iters=4)
    for part in (sampler.get('source'), sampler.get('target'), sampler):
        if part and 'num_instances' in part:
            part.num_instances = 2  # batch norm of images of one person alone would blow rounding errors up
    cfg.train_cfg = dict(type='ResumableEpochLoop', max_epochs=epochs)
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=8)]
    cfg.optim_wrapper = dict(
        type='OptimWrapper', optimizer=dict(type='SGD', lr=0.002, momentum=0.9, weight_decay=0.0005))
    for hook in cfg.custom_hooks:
        if hook.type == 'PseudoLabelHook':
            hook.batch_size = 8
            hook.clusterer.update(eps=.6, k1=8, k2=2, min_samples=2)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
    cfg.work_dir = str(work_dir)
    cfg.log_level = 'WARNING'
    cfg.merge_from_dict(overrides)
    return cfg


def _shrink(pipeline: list) -> list:
    for step in pipeline:
        if step.type == 'mmpretrain.Resize':
            step.scale = SIZE[::-1]
        if step.type == 'mmpretrain.RandomCrop':
            step.update(crop_size=SIZE, padding=2)
    return pipeline


def train_crops_on_rank(rank: int, world_size: int, method: str, root: str, work_dir: str, batch_size: int,
                        overrides: dict) -> tuple:
    """:func:`tests.toy_runs.train` as one of several processes."""
    cfg = crop_config(method, Path(root), Path(work_dir), batch_size, launcher='pytorch', **overrides)
    cfg.train_dataloader.batch_size = batch_size // world_size
    return train(cfg)
