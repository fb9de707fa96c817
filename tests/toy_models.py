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


WEAK = ['dicl', 'cgps', 'rsiamnet']
CROP_SIZE, MAP_SIZE = (112, 48), (7, 3)


def tiny_model_config(method: str, num_ids: int = 6, preset: str = '') -> Config:
    """``configs/_base_/models/{method}_r50{preset}.py`` on a quarter-width ResNet-18.

    The memory has 8 queue slots, or ``num_ids`` slots of annotated boxes; crops are 112 x 48.
    """
    cfg = Config.fromfile(CONFIGS / '_base_' / 'models' / f'{method}_r50{preset}.py')
    model = cfg.model
    model.backbone.update(depth=18, base_channels=16, init_cfg=None)
    model.rpn_head.update(in_channels=64, feat_channels=16)
    model.rpn_head.anchor_generator.scales = [2, 4]
    if method == 'dicl':
        model.neck.in_channels = (64, 128)
        model.occlusion.grid = model.roi_head.map_size = MAP_SIZE
        model.roi_head.roi_extractor.update(output_size=MAP_SIZE, channels=64, fc_channels=32)
    else:
        model.roi_head.shared_head.update(depth=18, base_channels=16, init_cfg=None)
        model.roi_head.roi_extractor.out_channels = 64
    if 'crop_size' in model:
        model.crop_size = CROP_SIZE
    model.roi_head.embed_dims = 16
    model.roi_head.memory.update(dict(num_slots=num_ids) if method in WEAK else dict(num_ids=num_ids, queue_size=8))
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
    if method in WEAK:
        feats = torch.randn(model.roi_head.memory.feats.shape, generator=torch.Generator().manual_seed(1))
        model.roi_head.init_memory(feats)
    return model


def scene(bboxes: list, pids: list, queries: list = (), size: tuple[int, int] = (96, 128), seed: int = 0,
          scale: float = 1., slots: list | None = None) -> dict:
    """One sample as the pipeline packs it: noise with the given people and query boxes, in network pixels.

    The boxes have the slots 0, 1, ... unless told otherwise.
    """
    height, width = size
    generator = torch.Generator().manual_seed(seed)
    sample = SearchDataSample(metainfo=dict(
        img_id=seed, img_path=f'{seed}.jpg', img_shape=size, ori_shape=(int(height / scale), int(width / scale)),
        scale_factor=(scale, scale)))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(bboxes, dtype=torch.float32).reshape(-1, 4),
        labels=torch.zeros(len(bboxes), dtype=torch.long), pids=torch.tensor(pids, dtype=torch.long),
        slots=torch.arange(len(bboxes)) if slots is None else torch.tensor(slots, dtype=torch.long))
    sample.gt_instances.set_metainfo(dict(seed=seed))
    if queries:
        sample.query_instances = InstanceData(
            bboxes=torch.tensor(queries, dtype=torch.float32), query_ids=torch.arange(len(queries)))
    image = torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)
    return dict(inputs=image, data_samples=sample)


def batch(*scenes: dict) -> dict:
    """Collated samples."""
    return {key: [one[key] for one in scenes] for key in scenes[0]}
