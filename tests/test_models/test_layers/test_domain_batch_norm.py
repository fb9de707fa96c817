from copy import deepcopy

import pytest
import torch
from mmengine.runner import load_state_dict
from torch import nn

from pedsearch.models.layers import (
    BNNeck,
    DomainBatchNorm1d,
    DomainBatchNorm2d,
    SplitBatchNorm2d,
    domain_batch_norms,
    split_batch_norms,
    sync_running_stats,
)
from tests.processes import run_on_processes


def trained_norm() -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(3, eps=1e-3, momentum=.3)
    for values in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(values)
    return norm


@pytest.mark.parametrize('splits', [1, 2])
def test_halves_go_through_norms_of_their_own(splits):
    source, target = (split_batch_norms(norm, splits) for norm in (trained_norm(), trained_norm()))
    ours = domain_batch_norms(deepcopy(target), splits)
    ours.source.load_state_dict(source.state_dict())
    x, weights = torch.randn(8, 3, 2, 2, requires_grad=True), torch.randn(8, 3, 2, 2)
    expected, out = torch.cat([source(x[:4]), target(x[4:])]), ours(x)
    torch.testing.assert_close(out, expected)
    pairs = [(ours.weight, target.weight), (ours.source.weight, source.weight), (x, x)]
    for mine, theirs in pairs:
        torch.testing.assert_close(torch.autograd.grad((out * weights).sum(), mine, retain_graph=True),
                                   torch.autograd.grad((expected * weights).sum(), theirs, retain_graph=True))
    for mine, theirs in ((ours, target), (ours.source, source)):
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(mine.state_dict()[name], value)
    torch.testing.assert_close(ours.eval()(x), target.eval()(x))


def test_conversion_copies_the_norm_and_keeps_frozen_parameters():
    neck = BNNeck(3)
    nn.init.normal_(neck.norm.weight)
    weight = neck.norm.weight
    assert domain_batch_norms(neck, num_splits=2, running_stats='mean') is neck
    norm = neck.norm
    assert isinstance(norm, DomainBatchNorm1d)
    assert norm.weight is weight
    assert norm.source.weight is not weight
    assert torch.equal(norm.source.weight, weight)
    assert (norm.source.num_splits, norm.source.running_stats) == (2, 'mean')
    assert [norm.bias.requires_grad, norm.source.bias.requires_grad] == [False, False]
    neck(torch.randn(8, 3)).square().sum().backward()
    assert not norm.bias.any()
    assert not norm.source.bias.any()
    assert norm.source.weight.grad is not None


def test_a_plain_checkpoint_fills_both_and_the_target_is_a_plain_model():
    plain = nn.Sequential(nn.Conv2d(3, 3, 1), trained_norm())
    model = domain_batch_norms(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    model.load_state_dict(plain.state_dict())  # strict
    for norm in (model[1], model[1].source):
        assert torch.equal(norm.running_mean, plain[1].running_mean)
        assert torch.equal(norm.weight, plain[1].weight)
    model(torch.randn(4, 3, 2, 2))
    state = model.state_dict()
    target = {name: value for name, value in state.items() if '.source.' not in name}
    plain.load_state_dict(target)
    assert torch.equal(plain[1].running_mean, model[1].running_mean)
    assert not torch.equal(model[1].source.running_mean, model[1].running_mean)
    copy = domain_batch_norms(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    load_state_dict(copy, state, strict=True)  # mmengine's, of a whole state: nothing is filled
    assert all(torch.equal(value, state[name]) for name, value in copy.state_dict().items())
    load_state_dict(copy, target, strict=True)
    assert torch.equal(copy[1].source.running_mean, model[1].running_mean)


def test_built_directly():
    norm = DomainBatchNorm2d(3, momentum=.2, num_splits=2)
    assert type(norm.source) is SplitBatchNorm2d
    assert norm.source.momentum == .2
    assert norm(torch.randn(8, 3, 2, 2)).shape == (8, 3, 2, 2)


def trained(rank: int, world_size: int) -> tuple[torch.Tensor, dict]:
    norm = domain_batch_norms(nn.BatchNorm1d(3).double(), num_splits=2)
    source, target = torch.randn(2, 8, 3, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    out = norm(torch.cat([source.chunk(world_size)[rank], target.chunk(world_size)[rank]]))
    sync_running_stats(norm)
    return out, dict(norm.state_dict())


def test_two_processes_are_one():
    (out, state), two = trained(0, 1), run_on_processes(trained, 2)
    halves = [part.chunk(2) for part, _ in two]
    torch.testing.assert_close(torch.cat([half[0] for half in halves] + [half[1] for half in halves]), out)
    for _, other in two:
        torch.testing.assert_close(other, state)


def test_odd_batch():
    with pytest.raises(ValueError, match=r'needs a batch \[source half; target half\], got 3 rows; draw as many'):
        DomainBatchNorm1d(2)(torch.randn(3, 2))


def test_settings_are_checked_before_anything_changes():
    plain = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match='num_splits must be a positive multiple'):
        domain_batch_norms(plain, num_splits=0)
    assert type(plain) is nn.BatchNorm1d
