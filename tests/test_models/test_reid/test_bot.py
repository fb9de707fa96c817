import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import batch_hard_triplet_loss
from pedsearch.models.reid import BoTHead
from tests.test_models.test_reid.reid_batches import samples_of

DIMS, LABELS = 6, [0, 0, 1, 1, 2, 2]


def feats(seed: int) -> torch.Tensor:
    return torch.randn(6, DIMS, generator=torch.Generator().manual_seed(seed))


def test_losses_before_and_behind_the_neck():
    head = BoTHead(DIMS, num_classes=4, center=dict(type='CenterLoss'))
    head.init_weights()
    before, behind, labels = feats(0), feats(1), torch.tensor(LABELS)
    losses = head.loss(before, behind, samples_of(LABELS))
    logits = behind @ head.classifier.weight.T
    torch.testing.assert_close(losses['loss_id'], F.cross_entropy(logits, labels, label_smoothing=.1))
    torch.testing.assert_close(losses['loss_triplet'], batch_hard_triplet_loss(before, labels, margin=.3))
    centers = head.center.centers[labels]
    torch.testing.assert_close(losses['loss_center'], 5e-4 * ((before - centers)**2).sum(dim=1).mean())


def test_centers_move_after_the_step():
    head = BoTHead(DIMS, num_classes=4, center=dict(type='CenterLoss'))
    start = head.center.centers.clone()
    head.loss(feats(0), feats(1), samples_of(LABELS))
    assert torch.equal(head.center.centers, start)
    head.update_memory()
    assert not torch.equal(head.center.centers[:3], start[:3])
    assert torch.equal(head.center.centers[3], start[3])


def test_centers_before_an_embedding_layer():
    head = BoTHead(DIMS, num_classes=4, center=dict(type='CenterLoss', embed_dims=9))
    wide = torch.randn(6, 9)
    assert head.loss(wide, feats(1), samples_of(LABELS))['loss_center'] > 0


def test_classifier_starts_small_and_has_no_bias():
    head = BoTHead(512, num_classes=1000)
    head.init_weights()
    assert head.classifier.bias is None
    assert head.classifier.weight.std().item() == pytest.approx(.001, rel=.02)
    head.update_memory()  # without centre loss nothing to do


def test_labels_beyond_the_classifier():
    head = BoTHead(DIMS, num_classes=2)
    with pytest.raises(ValueError, match=r'labels must lie in 0...1, got 2; set model.head.num_classes'):
        head.loss(feats(0), feats(1), samples_of(LABELS))


def test_no_classes():
    with pytest.raises(ValueError, match='num_classes must be >= 1, got 0; take the training set'):
        BoTHead(DIMS, num_classes=0)
