import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import branch_consistency_loss, branch_similarity_loss
from tests.test_models.test_search.weak_batches import (
    BOXES,
    GTS,
    PROPOSALS,
    SIZES,
    gradient_sizes,
    images,
    rois_of,
    separate_branches,
)
from tests.toy_models import batch, scene, tiny_model


@pytest.fixture(scope='module')
def model():
    return tiny_model('rsiamnet').eval()


def test_losses_are_those_of_the_parts(model):
    head = model.roi_head
    x = model.extract_feat(images())
    losses = {name: loss.detach() for name, loss in head.roi_losses(x, PROPOSALS, GTS, SIZES).items()}
    with torch.no_grad():
        samples = head.sample(PROPOSALS, GTS)
        search = head.embed(x, samples.rois)[samples.is_person]
        crops = head.shared_head(x.crop_maps(rois_of(GTS))).amax(dim=(2, 3))
        crops = F.normalize(crops @ head.fc_embed.weight.T, dim=1)
        instance = torch.stack([crops[index] for index in samples.gt_inds[samples.is_person].tolist()])
        slots = torch.tensor([4, 0, 2, 4, 0, 4, 5, 5])
        torch.testing.assert_close(losses['sim'], branch_similarity_loss(search, instance))
        torch.testing.assert_close(losses['kl'], branch_consistency_loss(search, instance, reduction='row'))
        torch.testing.assert_close(losses['reid'], head.memory.loss(search, slots))
        torch.testing.assert_close(losses['crop_reid'], head.memory.loss(instance, slots))
    (written, ids, _), = head._pending.take()
    torch.testing.assert_close(written, search)  # the memory learns what testing will look at
    assert ids.tolist() == slots.tolist()


def test_which_loss_reaches_which_branch(model):
    head = model.roi_head
    x, scene_maps, crop_maps = separate_branches(model)
    losses = head.roi_losses(x, PROPOSALS, GTS, SIZES)
    head._pending.take()
    reached = {name: [size > 0 for size in gradient_sizes(loss, scene_maps, crop_maps)] for name, loss in losses.items()}
    assert reached == dict(cls=[True, False], bbox=[True, False], sim=[True, True], kl=[True, True],
                           reid=[True, False], crop_reid=[False, True])


def test_only_the_scene_is_looked_at_in_testing(model, monkeypatch):
    def no_crops(*args: object) -> None:
        raise AssertionError('cropped in testing')

    monkeypatch.setattr('pedsearch.models.search.siamese_detector.person_crops', no_crops)
    with torch.no_grad():
        result, = model.test_step(batch(scene(BOXES, [0, 1, 2], BOXES[:1], seed=1)))
    assert result.query_instances.embeds.norm().item() == pytest.approx(1, abs=1e-5)
