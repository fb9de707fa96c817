import pytest
import torch
from mmengine.structures import InstanceData

from pedsearch.models.search.regions import RoISamples
from pedsearch.structures import BACKGROUND, UNLABELED
from tests.toy_models import tiny_model


@pytest.fixture(scope='module')
def head():
    return tiny_model('oim').roi_head


def test_box_loss_is_smooth_l1_over_all_samples(head):
    deltas, pids = torch.zeros(10, 4), torch.full((10, ), BACKGROUND)
    deltas[0], pids[0] = torch.tensor([.2, -.5, 1, 2]), 0
    samples = RoISamples(torch.zeros(10, 5), pids, torch.zeros(10, 4), torch.zeros(10, dtype=torch.long), [1, 9])
    assert head.box_loss(deltas, samples).item() == pytest.approx(.2145)


def test_box_coder_of_worked_example(head):
    encoded = head.bbox_coder.encode(torch.tensor([[100., 100, 140, 200]]), torch.tensor([[104., 95, 150, 205]]))
    torch.testing.assert_close(encoded, torch.tensor([[1.75, 0, .698810, .476551]]), atol=1e-5, rtol=0)


def test_sampling_puts_people_first_and_ground_truth_last_of_them(head):
    gt = InstanceData(bboxes=torch.tensor([[0., 0, 20, 40], [50, 0, 70, 40]]), labels=torch.zeros(2, dtype=torch.long),
                      pids=torch.tensor([4, UNLABELED]))
    proposals = torch.tensor([[51., 0, 70, 40], [1, 0, 20, 40], [100, 100, 120, 120]])
    samples = head.sample([proposals, torch.zeros(0, 4)], [gt, gt])
    assert samples.rois[:4].tolist() == [[0, 51, 0, 70, 40], [0, 1, 0, 20, 40], [0, 0, 0, 20, 40], [0, 50, 0, 70, 40]]
    assert samples.pids.tolist() == [UNLABELED, 4, 4, UNLABELED, BACKGROUND, 4, UNLABELED]
    assert samples.sample_inds.tolist() == [0] * 5 + [1] * 2
    assert samples.deltas[0, 0] < 0
    assert samples.deltas[2:].abs().max() == 0
    assert samples.sizes == [4, 1, 2, 0]
    assert samples.gt_inds.tolist() == [1, 0, 0, 1, 0, 2, 3]


def test_refine_decodes_and_clips_to_each_image(head):
    rois = torch.tensor([[0., 100, 100, 140, 200], [1, 300, 100, 340, 200], [1, 0, 0, 40, 100]])
    raw = torch.tensor([[.5, 0, 0, 0], [-1, .2, .5, -.25], [-10, -10, 0, 0]])
    boxes = head.refine(rois, raw, [(400, 400), (180, 320)])
    torch.testing.assert_close(boxes[0], torch.tensor([102., 100, 142, 200]))
    torch.testing.assert_close(boxes[1], torch.tensor([293.896582, 104.438529, 320, 180]))
    assert boxes[2].tolist() == [0, 0, 0, 0]
