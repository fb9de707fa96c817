"""Whole trainings of a detector without detection on block scenes: it embeds annotated boxes by their colour."""

from pathlib import Path

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import Runner
from torch import Tensor, nn

from pedsearch.engine import PseudoLabelHook
from pedsearch.models.memories import PendingUpdate
from pedsearch.registry import MODELS
from tests.toy_runs import LossRecorder, run_config


class ColourHead(BaseModule):
    """One memory row per slot; counts what the hook asks of it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.memory = MODELS.build(dict(type='HybridMemory', embed_dims=4, temperature=.2))
        self.pending = PendingUpdate()
        self.calls: list[tuple] = []

    def init_memory(self, feats: Tensor) -> None:
        self.calls.append(('init', feats.clone()))
        self.memory.reset(feats)

    def memory_feats(self) -> Tensor:
        return self.memory.embeds

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        self.calls.append(('reset', feats.clone(), labels.tolist()))
        self.memory.set_labels(labels)

    def update_memory(self) -> None:
        for embed, slots in self.pending.take():
            self.memory.update(embed, slots)


@MODELS.register_module()
class ColourDetector(BaseModel):
    """A box is the mean colour in it, mapped to four numbers and normalised."""

    def __init__(self, data_preprocessor: dict | None = None) -> None:
        super().__init__(dict(type='mmdet.DetDataPreprocessor', mean=[127.] * 3, std=[60.] * 3))
        generator = torch.Generator().manual_seed(0)
        self.roi_head = ColourHead()
        self.roi_head.embed.weight.data = torch.randn(4, 3, generator=generator)
        self.roi_head.embed.bias.data.zero_()

    def extract_box_feats(self, inputs: Tensor, data_samples: list) -> Tensor:
        scales = [inputs.new_tensor(sample.scale_factor).repeat(2) for sample in data_samples]
        return self._embed(inputs, [s.gt_instances.bboxes * scale for s, scale in zip(data_samples, scales)])

    def forward(self, inputs: Tensor, data_samples: list, mode: str = 'tensor') -> dict[str, Tensor]:
        embed = self._embed(inputs, [sample.gt_instances.bboxes for sample in data_samples])
        slots = torch.cat([sample.gt_instances.slots for sample in data_samples])
        self.roi_head.pending.add(embed, slots)
        return dict(loss_id=self.roi_head.memory.loss(embed, slots))

    def _embed(self, inputs: Tensor, bboxes: list[Tensor]) -> Tensor:
        colours = [image[:, y1:y2, x1:x2].mean(dim=(1, 2)) for image, boxes in zip(inputs, bboxes)
                   for x1, y1, x2, y2 in boxes.round().int().tolist()]
        return F.normalize(self.roi_head.embed(torch.stack([*colours, inputs.new_zeros(3)])[:-1]), dim=1)


def box_config(root: Path, work_dir: Path, epochs: int = 2, batch_size: int = 4, **overrides: object) -> Config:
    """Memory, clusterings and checkpoints after every iteration; the images are extracted at twice their size."""
    cfg = run_config('oim', root, work_dir, batch_size, epochs)
    cfg.model = dict(type='ColourDetector')
    cfg.optim_wrapper.optimizer.lr = .05
    for step in cfg.test_dataloader.dataset.pipeline:
        if step.type == 'mmdet.Resize':
            step.scale = (256, 192)
    clusterer = dict(type='ReliableDBSCANCluster', eps=.6, gap=.1, k1=6, k2=2, min_samples=2)
    cfg.custom_hooks = [dict(type='PseudoLabelHook', clusterer=clusterer, batch_size=3), dict(type='MemoryUpdateHook')]
    cfg.merge_from_dict(overrides)
    return cfg


def run_boxes(cfg: Config, before: tuple = ()) -> tuple:
    """Losses, final state, the label hook and the runner; ``before`` holds hooks to register."""
    recorder, runner = LossRecorder(), Runner.from_cfg(cfg)
    for hook in (recorder, *before):
        runner.register_hook(hook, priority='LOW')
    runner.train()
    model = getattr(runner.model, 'module', runner.model)
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    return recorder.losses, {name: value.clone() for name, value in model.state_dict().items()}, hook, runner


def run_boxes_on_rank(rank: int, world_size: int, root: str, work_dir: str, global_batch: int) -> tuple:
    """:func:`run_boxes` as one of several processes: losses, state, labels, threshold."""
    cfg = box_config(Path(root), Path(work_dir), batch_size=global_batch // world_size, launcher='pytorch')
    cfg.train_dataloader.sampler.update(global_batch_size=global_batch, drop_last=True)
    losses, state, hook, _ = run_boxes(cfg)
    return losses, state, hook.labels, hook.clusterer.threshold
