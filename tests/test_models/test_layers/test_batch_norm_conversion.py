import pytest
import torch
from torch import nn

from pedsearch.models.layers import (
    CrossProcessBatchNorm1d,
    CrossProcessBatchNorm2d,
    SplitBatchNorm1d,
    SplitBatchNorm2d,
    convert_batch_norms,
    domain_batch_norms,
)


def net() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3, momentum=.2), nn.Flatten(), nn.BatchNorm1d(16))


def test_objects_settings_flags_mode_and_hooks_stay():
    model, calls = net(), []
    norm = model[1].eval()
    norm.bias.requires_grad_(False)
    norm.register_forward_hook(lambda *_: calls.append(1))
    before = {name: value for name, value in model.named_parameters()} | dict(model.named_buffers())
    norms = convert_batch_norms(model, CrossProcessBatchNorm1d, CrossProcessBatchNorm2d)
    after = {name: value for name, value in model.named_parameters()} | dict(model.named_buffers())
    assert norms == [model[1], model[3]]
    assert [type(each) for each in norms] == [CrossProcessBatchNorm2d, CrossProcessBatchNorm1d]
    assert before.keys() == after.keys()
    assert all(before[name] is after[name] for name in before)
    assert model[1] is norm
    assert (norm.eps, norm.momentum, norm.training, norm.bias.requires_grad) == (1e-3, .2, False, False)
    model(torch.randn(2, 3, 4, 4))
    assert calls


def test_a_batch_norm_itself_and_a_shared_one():
    norm = nn.BatchNorm1d(3)
    assert convert_batch_norms(nn.ModuleList([norm, norm]), SplitBatchNorm1d, SplitBatchNorm2d) == [norm]
    assert convert_batch_norms(norm, SplitBatchNorm1d, SplitBatchNorm2d) == [norm]


@pytest.mark.parametrize('stranger', [nn.BatchNorm3d(2), nn.SyncBatchNorm(2), domain_batch_norms(nn.BatchNorm1d(2))])
def test_other_norms_are_named_and_nothing_is_changed(stranger):
    model = net()
    model.append(stranger)
    with pytest.raises(TypeError, match=f"got {type(stranger).__name__} at '4'; build the model with norm_cfg"):
        convert_batch_norms(model, SplitBatchNorm1d, SplitBatchNorm2d)
    assert type(model[1]) is nn.BatchNorm2d
