"""Oracle: the model itself."""

import torch
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.registry import init_default_scope
from torch import nn

from pedsearch.engine import ManualDataParallel
from pedsearch.registry import MODEL_WRAPPERS
from tests.processes import run_on_processes


class Model(BaseModel):

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(2, 3), nn.BatchNorm1d(3)

    def forward(self, inputs: torch.Tensor, data_samples: None = None, mode: str = 'tensor') -> torch.Tensor:
        return self.linear(inputs)

    def train_step(self, data: dict, optim_wrapper: str) -> dict:
        return dict(data=data, wrapper=optim_wrapper)


def test_everything_goes_to_the_model():
    init_default_scope('pedsearch')
    model = Model()
    wrapped = MODEL_WRAPPERS.build(dict(type='ManualDataParallel', module=model))
    assert is_model_wrapper(wrapped)
    inputs = torch.ones(4, 2)
    assert torch.equal(wrapped(inputs), model.linear(inputs))
    assert wrapped.train_step(dict(x=1), 'w') == dict(data=dict(x=1), wrapper='w')
    assert torch.equal(wrapped.val_step(dict(inputs=inputs)), model.linear(inputs))
    assert torch.equal(wrapped.test_step(dict(inputs=inputs)), model.linear(inputs))


def start(rank: int, world_size: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(rank)
    model = Model()
    model.norm.running_mean.fill_(rank)
    return ManualDataParallel(model).module.state_dict()


def test_all_processes_start_with_the_weights_of_the_first():
    first, second = run_on_processes(start, 2)
    torch.manual_seed(0)
    assert torch.equal(first['linear.weight'], Model().linear.weight)
    for name, value in first.items():
        assert torch.equal(second[name], value), name
