"""Oracles: the average written out, and mmengine's hook, which the buffers stop."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.models.losses import MultiLabelBCELoss
from pedsearch.registry import HOOKS

RATES = torch.tensor([.1, .4])


class Model(nn.Module):

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.]))
        self.loss = MultiLabelBCELoss()
        self.register_buffer('count', torch.tensor(0.))


def started(kind: str) -> tuple[EMAHook, SimpleNamespace]:
    """A hook after what happens before the first iteration."""
    init_default_scope('pedsearch')
    hook = HOOKS.build(dict(type=kind, momentum=.25))
    runner = SimpleNamespace(model=Model(), iter=0, epoch=0, max_iters=9, max_epochs=9)
    hook.before_run(runner)
    runner.model.loss.positive_rates = RATES.clone()  # as PositiveRatesHook does
    hook.before_train(runner)
    return hook, runner


def test_average_and_buffers():
    hook, runner = started('ResizingEMAHook')
    average = hook.ema_model.module
    assert torch.equal(average.loss.positive_rates, RATES)
    assert average.loss.positive_rates is not runner.model.loss.positive_rates
    found = []
    for value in (2., 4., 6.):
        runner.model.weight.data.fill_(value)
        runner.model.count.fill_(value)
        runner.model.loss.positive_rates.fill_(value / 10)
        hook.after_train_iter(runner, 0)
        found.append(average.weight.item())
    assert found == pytest.approx([2., .75 * 2 + .25 * 4, .75 * (.75 * 2 + .25 * 4) + .25 * 6])
    assert average.count == 6
    torch.testing.assert_close(average.loss.positive_rates, torch.tensor([.6, .6]))


def test_weights_of_validation_are_the_average():
    hook, runner = started('ResizingEMAHook')
    for value in (2., 4.):
        runner.model.weight.data.fill_(value)
        hook.after_train_iter(runner, 0)
    hook.before_val_epoch(runner)
    assert runner.model.weight.item() == 2.5
    assert torch.equal(runner.model.loss.positive_rates, RATES)
    hook.after_val_epoch(runner)
    assert runner.model.weight.item() == 4


def test_the_plain_hook_fails_there():
    hook, runner = started('EMAHook')
    with pytest.raises(RuntimeError, match='size of tensor'):
        hook.after_train_iter(runner, 0)


def test_an_average_of_a_checkpoint_is_taken_up():
    """Resuming loads the average before training begins; its rates are those of the checkpoint."""
    hook, runner = started('ResizingEMAHook')
    runner.model.weight.data.fill_(3.)
    hook.after_train_iter(runner, 0)
    checkpoint = dict(state_dict=runner.model.state_dict())
    hook.before_save_checkpoint(runner, checkpoint)
    again = HOOKS.build(dict(type='ResizingEMAHook', momentum=.25))
    resumed = SimpleNamespace(model=Model(), iter=1, epoch=0, max_iters=9, max_epochs=9, _resume=True)
    again.before_run(resumed)
    again.after_load_checkpoint(resumed, checkpoint)
    resumed.model.load_state_dict(checkpoint['state_dict'])
    again.before_train(resumed)
    again.after_train_iter(resumed, 0)
    assert again.ema_model.module.weight.item() == 3
    assert torch.equal(again.ema_model.module.loss.positive_rates, RATES)
