import pytest
import torch
from mmdet.models.task_modules.assigners import AssignResult
from mmengine.structures import InstanceData

from pedsearch.models.task_modules import RoundedAnchorGenerator, SeededRandomSampler


def test_anchor_corners_are_those_of_torchvision():
    anchors, = RoundedAnchorGenerator(strides=[16], ratios=[.5, 1., 2.], scales=[2, 4, 8, 16, 32]).base_anchors
    wide = [(-23, -11, 23, 11), (-45, -23, 45, 23), (-91, -45, 91, 45), (-181, -91, 181, 91), (-362, -181, 362, 181)]
    square = [(-s, -s, s, s) for s in (16, 32, 64, 128, 256)]
    tall = [(y1, x1, y2, x2) for x1, y1, x2, y2 in wide]
    assert anchors.tolist() == [list(map(float, box)) for box in wide + square + tall]


def test_small_anchors_of_oimnetpp():
    anchors, = RoundedAnchorGenerator(strides=[16], base_sizes=[1], ratios=[.5, 1.], scales=[8, 16, 32]).base_anchors
    assert anchors.tolist() == [[-6, -3, 6, 3], [-11, -6, 11, 6], [-23, -11, 23, 11], [-4, -4, 4, 4], [-8, -8, 8, 8],
                                [-16, -16, 16, 16]]


def draw(seed: int | None, num_priors: int = 100) -> list[int]:
    sampler = SeededRandomSampler(num=16, pos_fraction=0.5, add_gt_as_proposals=False)
    gt_inds = torch.zeros(num_priors, dtype=torch.long)
    gt_inds[:30] = 1
    assigned = AssignResult(1, gt_inds, torch.rand(num_priors), torch.zeros(num_priors, dtype=torch.long))
    gt = InstanceData(bboxes=torch.tensor([[0., 0, 10, 10]]), labels=torch.zeros(1, dtype=torch.long))
    if seed is not None:
        gt.set_metainfo(dict(seed=seed))
    chosen = sampler.sample(assigned, InstanceData(priors=torch.rand(num_priors, 4)), gt)
    return chosen.pos_inds.tolist() + chosen.neg_inds.tolist()


def test_seeded_sampler_ignores_the_global_random_state():
    torch.manual_seed(0)
    first = draw(seed=7)
    torch.manual_seed(1)
    assert draw(seed=7) == first
    assert draw(seed=8) != first


def test_seeded_sampler_without_seed_follows_the_global_random_state():
    torch.manual_seed(0)
    first = draw(seed=None)
    assert draw(seed=None) != first
    torch.manual_seed(0)
    assert draw(seed=None) == first


def test_seeded_sampler_keeps_the_shares_of_random_sampler():
    chosen = draw(seed=3)
    assert len(chosen) == 16
    assert sum(index < 30 for index in chosen) == 8


@pytest.mark.parametrize('seed', [0, 2**32 - 1])
def test_any_32_bit_seed(seed):
    assert len(draw(seed)) == 16
