import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search.regions import Candidates, RoISamples
from pedsearch.structures import BACKGROUND
from tests.test_models.test_search.weak_batches import BOXES, GTS, PROPOSALS, loss_step, total
from tests.toy_models import WEAK, scene, tiny_model


@pytest.fixture(scope='module')
def head():
    return tiny_model('cgps').roi_head


def test_annotated_boxes_stand_first_among_people(head):
    """The order in which a slot is written, so that the last proposal weighs most."""
    samples = head.sample(PROPOSALS, GTS)
    first = torch.tensor([*BOXES, [12., 12, 40, 80], [61, 20, 95, 91], [10, 10, 41, 82]])
    assert torch.equal(samples.rois[:6, 1:], first)
    assert samples.people(samples.rois)[6:].tolist() == [[1, *BOXES[0]], [1, 11, 9, 40, 80]]
    assert head.slots(samples, GTS).tolist() == [4, 0, 2, 4, 0, 4, 5, 5]
    assert samples.sizes == [6, 2, 2, 1]


def test_box_loss_is_l1_over_all_samples(head):
    deltas, pids = torch.zeros(10, 4), torch.full((10, ), BACKGROUND)
    deltas[0], pids[0] = torch.tensor([.2, -.5, 1, 2]), -1
    samples = RoISamples(torch.zeros(10, 5), pids, torch.zeros(10, 4), torch.zeros(10, dtype=torch.long), [1, 9])
    assert head.box_loss(deltas, samples).item() == pytest.approx(.37)


def test_context_loss_has_the_labels_of_the_slots(head):
    """O-13: the labels are pseudo-labels of slots, not the slots."""
    people, background = torch.tensor([[1., 0], [.8, .6], [0, 1]]), torch.tensor([[0., -1]])
    head.reset_memory(head.memory_feats(), torch.tensor([1, 0, 3, 1, 3, 2]))
    try:
        assert head.context_loss(people, background, torch.tensor([0, 3, 2])).item() == pytest.approx(.037676, abs=1e-5)
        one_label = head.context_loss(people, background, torch.tensor([0, 3, 0]))
    finally:
        head.reset_memory(head.memory_feats(), torch.arange(6))
    assert one_label == 0  # as in the released code


@pytest.mark.parametrize('method', WEAK)
def test_memory_changes_only_in_update_memory_and_in_order(method):
    """A plain loop over people writes the same rows."""
    model = tiny_model(method).train()
    memory, seen = model.roi_head.memory, []
    before, plain_loss = memory.feats.clone(), memory.loss
    memory.loss = lambda embed, slots: seen.append((embed.detach(), slots)) or plain_loss(embed, slots)
    losses = loss_step(model, scene(BOXES, [0, 3, -1], seed=1, slots=[4, 0, 2]), scene(BOXES[:1], [2], seed=2, slots=[5]))
    total(losses).backward()
    assert torch.equal(memory.feats, before)
    model.roi_head.update_memory()
    expected = before.clone()
    for embed, slot in zip(*seen[0]):
        expected[slot] = F.normalize(.2 * expected[slot] + .8 * F.normalize(embed, dim=0), dim=0)
    torch.testing.assert_close(memory.feats, expected)
    assert sorted(set(seen[0][1].tolist())) == [0, 2, 4, 5]
    assert torch.equal(memory.feats[[1, 3]], before[[1, 3]])
    torch.testing.assert_close(memory.feats.norm(dim=1), torch.ones(6))
    state = memory.feats.clone()
    model.roi_head.update_memory()
    assert torch.equal(state, memory.feats)


@pytest.mark.parametrize('method', WEAK)
def test_images_without_people(method):
    model = tiny_model(method).train()
    loss = total(loss_step(model, scene(BOXES, [0, 3, -1], seed=1), scene([], [], seed=2)))
    loss.backward()
    assert torch.isfinite(loss)
    losses = loss_step(model, scene([], [], seed=2))
    assert losses['loss_reid'] == losses['loss_bbox'] == 0
    total(losses).backward()
    model.roi_head.update_memory()


def test_hook_entry_points():
    head = tiny_model('cgps').roi_head
    head._pending.add(torch.ones(1, 16), torch.tensor([0]), torch.tensor([0]))
    feats = torch.randn(9, 16)
    head.init_memory(3 * feats)
    torch.testing.assert_close(head.memory_feats(), F.normalize(feats, dim=1))
    state = head.memory_feats().clone()
    head.update_memory()  # embeddings of the old memory are gone
    head.reset_memory(state, torch.tensor([0, 1, 1, 2, 2, 2, 3, 3, 3]))
    assert torch.equal(head.memory_feats(), state)
    assert head.memory.labels.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3]


def test_scores_are_of_the_second_logit_and_regions_are_kept(head):
    rois = torch.tensor([[0., 10, 10, 50, 90], [0, 60, 10, 90, 90], [2, 10, 10, 50, 90], [2, 5, 5, 20, 60]])
    logits = torch.tensor([[0., 3], [9, 0], [0, 1], [0, 0]])
    deltas = torch.zeros(4, 4)
    deltas[2, 0] = 1  # a tenth of the width to the right
    found = head.scored(rois, logits, deltas, torch.eye(4), [(100, 100)] * 3)
    assert [len(one.scores) for one in found] == [1, 0, 2]
    assert found[0].scores.item() == pytest.approx(.952574, abs=1e-6)
    torch.testing.assert_close(found[2].bboxes[0], torch.tensor([14., 10, 54, 90]))
    assert found[2].regions.tolist() == rois[2:, 1:].tolist()
    assert found[2].embeds.tolist() == torch.eye(4)[2:].tolist()


def test_training_sample_without_slots():
    model, one = tiny_model('cgps').train(), scene(BOXES, [0, 1, 2])
    del one['data_samples'].gt_instances.slots
    with pytest.raises(KeyError, match='has no `slots`; train on the train split of a person search dataset'):
        loss_step(model, one)


class TestBestDetection:
    """The rule of PRW: the query's feature is that of a detection."""

    def head(self):
        head = tiny_model('cgps').roi_head
        head.test_cfg.query = 'best_detection'
        return head

    def found(self, boxes: list, scores: list) -> Candidates:
        return Candidates(torch.tensor(boxes).reshape(-1, 4), torch.tensor(scores), torch.eye(len(boxes), 16))

    def test_highest_overlap_counts(self):
        found = self.found([[0., 0, 10, 10], [2, 0, 12, 10], [30, 0, 40, 10]], [.2, .1, .9])
        found = self.head()._best_detected(found[torch.tensor([1, 2])], torch.tensor([[0., 0, 10, 10], [31, 0, 40, 9]]),
                                           torch.ones(4))
        assert found.tolist() == torch.eye(3, 16)[1:].tolist()

    def test_pixels_are_counted_inclusively(self):
        """Boxes (0, 0, 9, 9) and (9, 0, 18, 9) share a column of ten pixels."""
        found = self.found([[9., 0, 18, 9], [50, 0, 59, 9]], [.5, .9])
        assert self.head()._best_detected(found, torch.tensor([[0., 0, 9, 9]]), torch.ones(4)).tolist() == torch.eye(1, 16).tolist()

    def test_only_detections_count(self):
        """The better fitting box is suppressed by one of a higher score."""
        found = self.found([[0., 0, 10, 10], [1, 0, 11, 10]], [.5, .9])
        embeds = self.head()._best_detected(found, torch.tensor([[0., 0, 10, 10]]), torch.ones(4))
        assert embeds.tolist() == torch.eye(2, 16)[1:].tolist()

    def test_pixels_are_those_of_the_original_image(self):
        """One pixel of the original is 4 in the network: the boxes share a column there, but not of network pixels."""
        found = self.found([[38., 0, 76, 38], [200, 0, 236, 36]], [.5, .9])
        query = torch.tensor([[0., 0, 36, 36]])
        assert self.head()._best_detected(found, query, torch.full((4, ), 4.)).tolist() == torch.eye(1, 16).tolist()
        assert self.head()._best_detected(found, query, torch.ones(4)).tolist() == torch.eye(2, 16)[1:].tolist()

    def test_highest_score_where_none_overlaps(self):
        found = self.found([[50., 50, 60, 60], [80, 50, 90, 60]], [.6, .9])
        embeds = self.head()._best_detected(found, torch.tensor([[0., 0, 10, 10]]), torch.ones(4))
        assert embeds.tolist() == torch.eye(2, 16)[1:].tolist()

    def test_zeros_where_nothing_is_detected(self):
        embeds = self.head()._best_detected(self.found([], []), torch.tensor([[0., 0, 10, 10]]), torch.ones(4))
        assert embeds.shape == (1, 16)
        assert embeds.abs().max() == 0

    @pytest.mark.parametrize('method', WEAK)
    def test_whole_prediction(self, method):
        model = tiny_model(method).eval()
        model.roi_head.test_cfg.update(query='best_detection', score_thr=0.)
        with torch.no_grad():
            result, = model.test_step(dict(zip(('inputs', 'data_samples'), (
                [value] for value in scene(BOXES, [0, 1, 2], BOXES[1:], seed=1).values()))))
        for embed in result.query_instances.embeds:
            assert (embed == result.pred_instances.embeds).all(dim=1).any()

    def test_unknown_rule(self):
        with pytest.raises(ValueError, match="test_cfg.query must be 'gt_box' or 'best_detection', got 'box'"):
            type(self.head())(roi_extractor=dict(type='mmdet.SingleRoIExtractor', roi_layer=dict(
                type='RoIAlign', output_size=7), out_channels=8, featmap_strides=[16]), test_cfg=dict(query='box'))
