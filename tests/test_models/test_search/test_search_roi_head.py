import pytest
import torch
from mmengine.structures import InstanceData

from pedsearch.models.search.search_roi_head import Candidates, RoISamples, split_by_image
from pedsearch.structures import BACKGROUND, UNLABELED
from tests.toy_models import tiny_model


@pytest.fixture(scope='module')
def head():
    return tiny_model('oim').roi_head


def test_box_loss_is_smooth_l1_over_all_samples(head):
    target = torch.zeros(10, 4)
    deltas = torch.zeros(10, 4)
    deltas[3] = torch.tensor([.2, -.5, 1, 2])
    pids = torch.full((10, ), BACKGROUND)
    pids[3] = 0
    samples = RoISamples(torch.zeros(10, 5), pids, target)
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


def test_refine_decodes_and_clips_to_each_image(head):
    rois = torch.tensor([[0., 100, 100, 140, 200], [1, 300, 100, 340, 200], [1, 0, 0, 40, 100]])
    raw = torch.tensor([[.5, 0, 0, 0], [-1, .2, .5, -.25], [-10, -10, 0, 0]])
    boxes = head.refine(rois, raw, [(400, 400), (180, 320)])
    torch.testing.assert_close(boxes[0], torch.tensor([102., 100, 142, 200]))
    torch.testing.assert_close(boxes[1], torch.tensor([293.896582, 104.438529, 320, 180]))
    assert boxes[2].tolist() == [0, 0, 0, 0]


def test_suppression_ranks_by_score():
    boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]])
    kept = Candidates(boxes, torch.tensor([.6, .8, .9]), torch.eye(3)).suppress(.5)
    assert kept.scores.tolist() == pytest.approx([.9, .8])
    assert kept.embeds.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_context_puts_the_query_first(head):
    boxes = torch.tensor([[0., 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10]])
    found = Candidates(boxes, torch.tensor([1., .9, .8]), torch.eye(3, 16))
    context = head._context(found, torch.tensor([0., 0, 10, 10]))
    assert context.tolist() == [torch.eye(3, 16)[2].tolist()]


def test_split_by_image_keeps_empty_images():
    rois = torch.tensor([[0., 0, 0, 1, 1], [2, 0, 0, 1, 1], [2, 0, 0, 2, 2]])
    parts = split_by_image(rois, 4, torch.arange(3), torch.arange(3) * 10)
    assert [[part.tolist() for part in image] for image in parts] == [[[0], [0]], [[], []], [[1, 2], [10, 20]], [[], []]]
