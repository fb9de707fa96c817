import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.search.oim import PersonClassifier, classification_loss
from tests.toy_models import tiny_model


def test_classification_loss_is_cross_entropy_of_person_against_background():
    logits = torch.tensor([[0., 2.], [1., -1.], [.5, .5]])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-2)) + math.log(2)) / 3
    assert classification_loss(logits, torch.tensor([True, False, True])).item() == pytest.approx(expected)


def test_classifier_gives_the_deltas_of_the_class_person():
    classifier = PersonClassifier(4)
    with torch.no_grad():
        classifier.fc_reg.weight.zero_()
        classifier.fc_reg.bias.copy_(torch.arange(8.))
    _, deltas = classifier(torch.randn(3, 4))
    assert deltas.tolist() == [[4, 5, 6, 7]] * 3
    assert sum(parameter.numel() for parameter in PersonClassifier(2048).parameters()) == 20_490


def test_candidates_are_the_confident_refined_regions():
    head = tiny_model('oim').roi_head.eval()
    features = torch.eye(3, 128)
    head.pool = lambda x, rois: (None, features)
    del head.classifier
    head.classifier = lambda c5: (torch.tensor([[0., 3.], [3., 0.], [0., 1.]])[:len(c5)], torch.zeros(len(c5), 4))
    proposals = torch.tensor([[10., 10, 50, 90], [60, 10, 90, 90], [20, 10, 20, 90]])
    found, = head.candidates((), [proposals], [(100, 100)])
    assert found.bboxes.tolist() == [[10, 10, 50, 90]]  # the second is no person, the third has no area
    assert found.scores.item() == pytest.approx(.952574, abs=1e-6)
    expected = F.normalize(head.fc_embed(features[:1]), dim=1)
    torch.testing.assert_close(found.embeds, expected)
