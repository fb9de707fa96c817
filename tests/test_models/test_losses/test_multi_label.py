"""Oracles: values computed by hand, and the weighted loss of torch."""

import math

import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import MultiLabelBCELoss, attribute_weights

LOGITS = torch.tensor([[0., 2, -1], [3, -2, .5]])
TARGETS = torch.tensor([[1, 0, 1], [1, 0, 0]])
MASKED = torch.tensor([[1, -1, 1], [1, 0, -1]])
RATES = [.1, .5, .9]


@pytest.mark.parametrize(('weighting', 'targets', 'total', 'mean'), [
    ('none', TARGETS, 2.6414646130, .8804882043),  # O13
    ('deepmar', TARGETS, 4.6937871666, 1.5645957222),  # O14
    ('deepmar', MASKED, 1.7425100497, .8712550249),  # O15
])
def test_values(weighting, targets, total, mean):
    assert MultiLabelBCELoss(weighting, RATES, 'sum')(LOGITS, targets).item() == pytest.approx(total, abs=1e-6)
    assert MultiLabelBCELoss(weighting, RATES, 'mean')(LOGITS, targets).item() == pytest.approx(mean, abs=1e-6)


def test_weights():  # O14, O17
    def both(rate, weighting):
        return attribute_weights(torch.tensor([[1], [0]]), torch.tensor([rate]), weighting).flatten().tolist()

    expected = [[2.4596031112, 1.6487212707, 1.1051709181], [2.4596031112, 1.6487212707, 2.4596031112]]
    torch.testing.assert_close(attribute_weights(TARGETS, torch.tensor(RATES)), torch.tensor(expected))
    assert both(.01, 'deepmar') == pytest.approx([2.6912344723, 1.0100501671])
    assert both(.2, 'deepmar') == pytest.approx([2.2255409285, 1.2214027582])
    assert both(.1, 'jlac') == pytest.approx([2.2360679775, .7453559925])
    assert both(.1, 'jlac-root') == pytest.approx([1.2574334297, .8551243464])
    assert attribute_weights(torch.tensor([[-1]]), torch.tensor([.3])).item() == 0
    assert all(math.isfinite(value) for value in both(0., 'jlac'))


def test_deepmar_is_a_class_weight_and_a_weight_of_positives():  # O16
    rates = torch.tensor(RATES)
    expected = F.binary_cross_entropy_with_logits(LOGITS, TARGETS.float(), weight=rates.exp(),
                                                  pos_weight=(1 - 2 * rates).exp())
    torch.testing.assert_close(MultiLabelBCELoss('deepmar', RATES)(LOGITS, TARGETS), expected)


def test_unknown_labels_have_no_gradient():  # O15
    logits = LOGITS.clone().requires_grad_()
    MultiLabelBCELoss('deepmar', RATES)(logits, MASKED).backward()
    assert (logits.grad == 0).equal(MASKED == -1)
    logits = LOGITS.clone().requires_grad_()
    loss = MultiLabelBCELoss('deepmar', RATES)(logits, torch.full((2, 3), -1))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(weighting='deep'), "weighting must be one of 'deepmar', 'jlac', 'jlac-root', 'none', got 'deep'"),
    (dict(reduction='none'), "reduction must be 'sum' or 'mean', got 'none'")])
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MultiLabelBCELoss(**settings)


def test_rates_and_shapes_must_fit():
    with pytest.raises(ValueError, match='positive_rates must have 3 values, one an attribute, got 0; take them from'):
        MultiLabelBCELoss()(LOGITS, TARGETS)
    with pytest.raises(ValueError, match=r'must have one shape \(B, A\), got \(2, 3\) and \(2, 2\)'):
        MultiLabelBCELoss('none')(LOGITS, TARGETS[:, :2])


def test_rates_are_loaded_where_none_are_known():
    loss = MultiLabelBCELoss()
    loss.load_state_dict(MultiLabelBCELoss(positive_rates=RATES).state_dict())
    assert loss(LOGITS, TARGETS).item() == pytest.approx(1.5645957222, abs=1e-6)
