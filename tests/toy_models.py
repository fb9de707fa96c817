"""A person search network small enough for tests, from the configs that users run."""

from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from pedsearch.models.search import PersonSearchDetector
from pedsearch.registry import MODELS
from pedsearch.structures import SearchDataSample

CONFIGS = Path(__file__).parents[1] / 'configs'


def tiny_model_config(method: str, num_ids: int = 6) -> Config:
    """``configs/_base_/models/{method}_r50.py`` on a quarter-width ResNet-18, with 8 queue slots."""
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / f'{method}_r50.py')
    model = cfg.model
    model.backbone.update(depth=18, base_channels=16, init_cfg=None)
    model.rpn_head.update(in_channels=64, feat_channels=16)
    model.rpn_head.anchor_generator.scales = [2, 4]
    model.roi_head.shared_head.update(depth=18, base_channels=16, init_cfg=None)
    model.roi_head.roi_extractor.out_channels = 64
    model.roi_head.embed_dims = 16
    model.roi_head.memory.update(num_ids=num_ids, queue_size=8)
    if 'in_channels' in model.roi_head:
        model.roi_head.in_channels = 64
    model.train_cfg.rpn_proposal.max_per_img = 64
    model.test_cfg.rpn.max_per_img = 20
    return cfg


def tiny_model(method: str, **kwargs: object) -> PersonSearchDetector:
    """The built and initialised network, always the same weights."""
    init_default_scope('pedsearch')
    torch.manual_seed(0)
    model = MODELS.build(tiny_model_config(method, **kwargs).model)
    model.init_weights()
    return model


def scene(bboxes: list, pids: list, queries: list = (), size: tuple[int, int] = (96, 128), seed: int = 0,
          scale: float = 1.) -> dict:
    """One sample as the pipeline packs it: noise with the given people and query boxes, in network pixels."""
    height, width = size
    generator = torch.Generator().manual_seed(seed)
    sample = SearchDataSample(metainfo=dict(
        img_id=seed, img_path=f'{seed}.jpg', img_shape=size, ori_shape=(int(height / scale), int(width / scale)),
        scale_factor=(scale, scale)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(bboxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.zeros(len(bboxes), dtype=torch.long), pids=torch.tensor(pids, dtype=torch.long))
    sample.gt_instances.set_metainfo(dict(seed=seed))
    if queries:
        sample.query_instances = InstanceData(
            bboxes=torch.tensor(queries, dtype=torch.float32), query_ids=torch.arange(len(queries)))
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return dict(inputs=image, data_samples=sample)


def batch(*scenes: dict) -> dict:
    """Collated samples."""
    return {key: [one[key] for one in scenes] for key in scenes[0]}
