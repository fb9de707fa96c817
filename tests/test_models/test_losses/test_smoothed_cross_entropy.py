import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.losses import smoothed_cross_entropy
from pedsearch.registry import MODELS
from tests.processes import run_on_processes

LOGITS = torch.tensor([[2., 1., 0., -1.], [0., 0., 3., 1.]])
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize(('smoothing', 'spread', 'expected', 'of_torch'), [
    (0, 'all', 1.825594, 0), (.1, 'all', 1.850594, .1), (.1, 'others', 1.858927, .133333333)])
def test_t14(smoothing, spread, expected, of_torch):
    loss = MODELS.build(dict(type='SmoothedCrossEntropyLoss', smoothing=smoothing, spread=spread))(LOGITS, LABELS)
    assert loss.item() == pytest.approx(expected, abs=1e-6)
    torch.testing.assert_close(loss, F.cross_entropy(LOGITS, LABELS, label_smoothing=of_torch))


@pytest.mark.parametrize(('spread', 'on_label', 'elsewhere'), [('all', .7 + .3 / 5, .3 / 5), ('others', .7, .3 / 4)])
def test_targets(spread, on_label, elsewhere):
    logits, labels = torch.randn(7, 5), torch.randint(5, (7, ))
    targets = torch.full((7, 5), elsewhere).scatter(1, labels[:, None], on_label)
    expected = -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean()
    torch.testing.assert_close(smoothed_cross_entropy(logits, labels, .3, spread), expected)


def test_one_class_costs_nothing():
    assert smoothed_cross_entropy(torch.randn(3, 1), torch.zeros(3, dtype=torch.long), .1, 'others') == 0


def test_half_precision_is_computed_in_single():
    logits, labels = 20 * torch.randn(6, 50).bfloat16(), torch.randint(50, (6, ))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        loss = smoothed_cross_entropy(logits, labels)
    torch.testing.assert_close(loss, smoothed_cross_entropy(logits.float(), labels))


def share(rank: int, world_size: int) -> torch.Tensor:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    sizes = [5] if world_size == 1 else [4, 1]
    return smoothed_cross_entropy(logits.split(sizes)[rank], torch.tensor([0, 1, 2, 1, 0]).split(sizes)[rank])


def test_two_processes_are_one():
    torch.testing.assert_close(torch.stack(run_on_processes(share, 2)).mean(), share(0, 1))


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(smoothing=.6), r'smoothing must lie in \[0, 0.5\], got 0.6'),
    (dict(spread='rest'), "spread must be one of all, others, got 'rest'")])
def test_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(type='SmoothedCrossEntropyLoss', **settings))


def test_label_out_of_range():
    with pytest.raises(ValueError, match=r'labels must be in 0\.\.\.3, got 0\.\.\.4; .*take num_classes'):
        smoothed_cross_entropy(LOGITS, torch.tensor([0, 4]))
