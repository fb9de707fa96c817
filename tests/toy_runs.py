"""Whole trainings of the tiny network on block scenes."""

from pathlib import Path

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

import pedsearch  # noqa: F401
from tests.toy_models import CONFIGS, WEAK, tiny_model_config


class LossRecorder(Hook):
    """Keeps the value of every loss of every iteration."""

    def __init__(self) -> None:
        self.losses: list[dict] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.losses.append({name: float(value.detach()) for name, value in outputs.items()})


def run_config(method: str, root: Path, work_dir: Path, batch_size: int, epochs: int, frozen: bool = True,
               **overrides: object) -> Config:
    """The papers' optimizer on the tiny network.

    Batch norm is frozen unless told otherwise, and the optimizer is not AdamW: both turn rounding errors into larger ones.
    """
    recipe = 'mobilenetv2_1xb4-6e_toy' if method in WEAK else 'r18-half_1xb4-12e_toy'
    cfg = Config.fromfile(CONFIGS / method / f'{method}_{recipe}.py')
    cfg.model = tiny_model_config(method).model
    cfg.model.backbone.norm_eval = frozen
    if 'shared_head' in cfg.model.roi_head:
        cfg.model.roi_head.shared_head.norm_eval = frozen
    if method in WEAK:  # a dozen boxes to cluster
        cfg.custom_hooks[0].clusterer.update(min_samples=2, k1=6, k2=2)
        cfg.custom_hooks[0].refresh = method != 'dicl'  # so that the memory of one of them is clustered
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.dataset.data_root = str(root)
        for transform in loader.dataset.pipeline:
            if transform.type == 'mmdet.Resize':
                transform.scale = (128, 96)
    cfg.train_dataloader.batch_size = batch_size
    cfg.train_cfg = dict(type='ResumableEpochLoop', max_epochs=epochs)
    cfg.param_scheduler = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=20)]
    cfg.optim_wrapper.optimizer = dict(type='SGD', lr=0.001, momentum=0.9, weight_decay=0.0005)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.interval = 1
    cfg.default_hooks.checkpoint.max_keep_ckpts = -1
    cfg.work_dir = str(work_dir)
    cfg.log_level = 'WARNING'
    cfg.merge_from_dict(overrides)
    return cfg


def train(cfg: Config) -> tuple[list[dict], dict]:
    """Losses of every iteration, and the final state of the model."""
    recorder = LossRecorder()
    runner = Runner.from_cfg(cfg)
    runner.register_hook(recorder, priority='LOW')
    runner.train()
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return recorder.losses, {name: value.clone() for name, value in model.state_dict().items()}


def train_on_rank(rank: int, world_size: int, method: str, root: str, work_dir: str, global_batch: int,
                  frozen: bool = True, epochs: int = 5) -> tuple:
    """:func:`train` as one of several processes."""
    cfg = run_config(method, Path(root), Path(work_dir), global_batch // world_size, epochs, frozen, launcher='pytorch')
    cfg.train_dataloader.sampler.update(global_batch_size=global_batch, drop_last=True)
    return train(cfg)
