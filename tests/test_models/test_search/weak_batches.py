"""Batches on which the heads of weakly supervised person search can be compared with slow computations."""

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from pedsearch.models.search.siamese_detector import SiameseFeatures
from tests.toy_models import batch

BOXES = [[10., 10, 40, 80], [60, 20, 95, 90], [70, 5, 120, 60]]


def ground_truth(boxes: list, slots: list) -> InstanceData:
    return InstanceData(bboxes=torch.tensor(boxes).reshape(-1, 4), labels=torch.zeros(len(boxes), dtype=torch.long),
                        pids=torch.full((len(boxes), ), -1), slots=torch.tensor(slots, dtype=torch.long))


GTS = [ground_truth(BOXES, [4, 0, 2]), ground_truth(BOXES[:1], [5])]
PROPOSALS = [torch.tensor([[12., 12, 40, 80], [0, 0, 9, 9], [61, 20, 95, 91], [10, 10, 41, 82], [100, 70, 120, 90]]),
             torch.tensor([[11., 9, 40, 80], [90, 60, 120, 90]])]
SIZES = [(96, 128)] * 2


def loss_step(model, *scenes: dict) -> dict[str, Tensor]:
    return model(**model.data_preprocessor(batch(*scenes), True), mode='loss')


def total(losses: dict) -> Tensor:
    return sum(sum(loss) if isinstance(loss, list) else loss for loss in losses.values())


def images() -> Tensor:
    return torch.randn(2, 3, 96, 128, generator=torch.Generator().manual_seed(0))


def separate_branches(model) -> tuple[SiameseFeatures, Tensor, Tensor]:
    """Features whose scene maps and whose crop maps are leaves of the graph, and both of these."""
    with torch.no_grad():
        x = model.extract_feat(images())
        crop_leaf = x.crop_maps(rois_of(GTS))
    scene_leaf = x[-1].requires_grad_()
    crop_leaf.requires_grad_()
    return SiameseFeatures((scene_leaf, ), lambda rois: crop_leaf), scene_leaf, crop_leaf


def rois_of(gts: list[InstanceData]) -> Tensor:
    return torch.cat([torch.cat([torch.full((len(gt), 1), float(index)), gt.bboxes], dim=1)
                      for index, gt in enumerate(gts)])


def gradient_sizes(loss: Tensor, *leaves: Tensor) -> list[float]:
    """Sum of the absolute gradient at each leaf, 0 where none arrives."""
    grads = torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True)
    return [0. if grad is None else grad.abs().sum().item() for grad in grads]
