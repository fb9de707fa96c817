"""Oracle: the parts' own parameters."""

import pytest
from mmengine.model import MMDistributedDataParallel
from torch import nn

from pedsearch.engine import ManualDataParallel, PartOptimizers
from tests.processes import run_on_processes

SGD, ADAM = dict(optimizer=dict(type='SGD', lr=.1, weight_decay=.01)), dict(optimizer=dict(type='Adam', lr=.01))


class TwoParts(nn.Module):

    def __init__(self) -> None:
        super().__init__()
        self.painter, self.judge, self.idle = nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(1, 1)

    def optimized_parts(self) -> dict[str, nn.Module]:
        return dict(painter=self.painter, judge=self.judge)


def test_each_part_has_the_optimizer_of_its_name():
    model = TwoParts()
    wrappers = PartOptimizers(dict(painter=ADAM, judge=dict(SGD, paramwise_cfg=dict(norm_decay_mult=0.))))(model)
    assert {name: type(wrapper.optimizer).__name__ for name, wrapper in wrappers.items()} == dict(
        painter='Adam', judge='SGD')
    params = {name: {id(param) for group in wrapper.optimizer.param_groups for param in group['params']}
              for name, wrapper in wrappers.items()}
    assert params['painter'] == {id(param) for param in model.painter.parameters()}
    assert params['judge'] == {id(param) for param in model.judge.parameters()}
    assert wrappers['judge'].optimizer.param_groups[0]['weight_decay'] == 0


def test_a_wrapped_model_is_looked_into():
    model = TwoParts()
    wrappers = PartOptimizers(dict(painter=ADAM, judge=SGD))(ManualDataParallel(model))
    assert {id(param) for param in wrappers['painter'].optimizer.param_groups[0]['params']} == {
        id(param) for param in model.painter.parameters()}


def test_parts_that_do_not_fit_are_errors():
    with pytest.raises(ValueError, match='an entry for each of judge, painter, got idle, painter'):
        PartOptimizers(dict(painter=ADAM, idle=SGD))(TwoParts())
    with pytest.raises(TypeError, match=r'PartOptimizers needs a model with optimized_parts\(\), got Linear'):
        PartOptimizers(dict(painter=ADAM))(nn.Linear(1, 1))
    with pytest.raises(ValueError, match='paramwise_cfg belongs into the entry of a part'):
        PartOptimizers(dict(painter=ADAM), dict(norm_decay_mult=0.))


@pytest.mark.parametrize('change', [dict(accumulative_counts=4), dict(type='AmpOptimWrapper')])
def test_what_a_model_with_own_steps_cannot_do_is_an_error(change):
    with pytest.raises(ValueError, match=r'optim_wrapper.painter must be a plain OptimWrapper that steps in every'):
        PartOptimizers(dict(painter=dict(ADAM, **change), judge=SGD))


def wrap_in_ddp(rank: int, world_size: int) -> str:
    try:
        PartOptimizers(dict(painter=ADAM, judge=SGD))(MMDistributedDataParallel(TwoParts()))
    except TypeError as error:
        return str(error)
    return ''


def test_the_usual_wrapper_is_an_error():
    for text in run_on_processes(wrap_in_ddp, 2):
        assert 'needs the wrapper ManualDataParallel, got MMDistributedDataParallel; use configs' in text
