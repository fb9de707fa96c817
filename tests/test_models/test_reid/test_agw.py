import pytest
import torch

from pedsearch.models.losses import weighted_triplet_loss
from pedsearch.models.reid import AGWHead
from tests.test_models.test_reid.reid_batches import samples_of

LABELS = [0, 0, 1, 1, 2, 2]


def test_triplet_loss_is_weighted():
    head = AGWHead(6, num_classes=3)
    x = torch.randn(6, 6)
    losses = head.loss(x, x, samples_of(LABELS))
    torch.testing.assert_close(losses['loss_triplet'], weighted_triplet_loss(x, torch.tensor(LABELS)))


def test_classifier_starts_at_a_hundredth():
    head = AGWHead(512, num_classes=1000)
    head.init_weights()
    assert head.classifier.weight.std().item() == pytest.approx(.01, rel=.02)
