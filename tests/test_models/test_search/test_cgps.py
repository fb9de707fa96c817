import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search.oim import classification_loss
from tests.test_models.test_search.weak_batches import GTS, PROPOSALS, SIZES, images
from tests.toy_models import tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model('cgps').eval()


def test_embedding_of_worked_example():
    head = tiny_model('cgps').roi_head
    with torch.no_grad():
        head.fc_c5.weight.zero_()
        head.fc_c5.weight[0, 0], head.fc_c5.weight[3, 1] = 2., 1.
        head.fc_c4.weight.zero_()
        head.fc_c4.weight[1, 2] = 4.
    c4, c5 = torch.zeros(1, 64), torch.zeros(1, 128)
    c5[0, :2], c4[0, 2] = torch.tensor([1., 2.]), 1.
    expected = torch.zeros(16)  # the last stage's half stands first
    expected[0], expected[3], expected[9] = 2., 2., 4.
    torch.testing.assert_close(head._embedding((c4, c5))[0], expected / 24**.5)


def test_features_are_maxima_of_the_region_maps(model):
    head = model.roi_head
    with torch.no_grad():
        x = model.extract_feat(images())
        rois = torch.tensor([[0., 10, 10, 60, 90], [1, 20, 0, 50, 80]])
        maps = head.roi_extractor(x, rois)
        last = head.shared_head(maps)
        expected = torch.cat([last.flatten(2).amax(2) @ head.fc_c5.weight.T, maps.flatten(2).amax(2) @ head.fc_c4.weight.T],
                             dim=1)
        torch.testing.assert_close(head.embed(x, rois), F.normalize(expected, dim=1))
    assert (maps.shape[2:], last.shape[2:]) == ((14, 14), (7, 7))


def test_losses_are_those_of_the_parts(model):
    """Wiring of people, slots and background against the parts one by one."""
    head = model.roi_head
    with torch.no_grad():
        x = model.extract_feat(images())
        losses = head.roi_losses(x, PROPOSALS, GTS, SIZES)
        samples = head.sample(PROPOSALS, GTS)
        embeds = head.embed(x, samples.rois)
        person = samples.is_person
        people, slots = embeds[person], torch.cat([gt.slots for gt in GTS])[samples.gt_inds[person]]
        c5 = head.pool(x, samples.rois)[1]
        assert set(losses) == {'cls', 'bbox', 'reid', 'context'}
        torch.testing.assert_close(losses['cls'], classification_loss(c5 @ head.fc_cls.weight.T, person))
        torch.testing.assert_close(losses['bbox'], (c5 @ head.fc_reg.weight.T - samples.deltas)[person].abs().sum() / len(c5))
        torch.testing.assert_close(losses['reid'], head.memory.loss(people, slots))
        torch.testing.assert_close(losses['context'], head.context_loss(people, embeds[~person], slots))
    assert losses['context'] > 0
    head._pending.take()


def test_candidates_are_confident_and_carry_their_embeddings(model):
    head = model.roi_head
    with torch.no_grad():
        x = model.extract_feat(images())
        found = head.candidates(x, [PROPOSALS[0], PROPOSALS[1][:0]], SIZES)
        rois = F.pad(PROPOSALS[0], (1, 0))
        torch.testing.assert_close(found[0].embeds, head.embed(x, rois))
    assert [len(one.scores) for one in found] == [5, 0]
