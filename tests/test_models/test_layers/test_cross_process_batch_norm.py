import pytest
import torch
from torch import nn

from pedsearch.models.layers import CrossProcessBatchNorm1d, CrossProcessBatchNorm2d, cross_process_batch_norms
from tests.processes import run_on_processes


def test_batch_norm_equals_torch_on_one_process():
    ours, theirs, x = CrossProcessBatchNorm1d(5), nn.BatchNorm1d(5), torch.randn(9, 5)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_of_one_row_uses_running_statistics_and_keeps_them():
    norm, x = CrossProcessBatchNorm1d(3), torch.randn(1, 3)
    norm.running_mean.fill_(.5)
    norm.running_var.fill_(4.)
    torch.testing.assert_close(norm(x), (x - .5) / (4 + norm.eps)**.5)
    assert norm.running_mean.tolist() == [.5] * 3
    assert norm(torch.zeros(0, 3)).shape == (0, 3)


ROWS = {0: [0, 2, 3, 4, 5, 6, 7, 8, 9, 10], 1: [1]}  # very unequal shares


def whole_batch(shape: tuple) -> tuple:
    torch.manual_seed(0)
    return torch.randn(11, *shape) + 3, torch.randn(11, *shape)


def batch_norm_of_a_part(rank: int, world_size: int, shape: tuple) -> dict:
    whole, weights = whole_batch(shape)
    norm = (CrossProcessBatchNorm1d if len(shape) == 1 else CrossProcessBatchNorm2d)(shape[0])
    part = whole[ROWS[rank]].requires_grad_()
    out = norm(part)
    (out * weights[ROWS[rank]]).sum().backward()
    return dict(out=out.detach(), grad=part.grad, mean=norm.running_mean, var=norm.running_var)


@pytest.mark.parametrize('shape', [(4, ), (3, 5, 6)])
def test_batch_norm_over_two_processes_equals_the_whole_batch(shape):
    whole, weights = whole_batch(shape)
    whole.requires_grad_()
    norm = (nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d)(shape[0])
    out = norm(whole)
    (out * weights).sum().backward()
    for rank, part in enumerate(run_on_processes(batch_norm_of_a_part, 2, shape)):
        torch.testing.assert_close(part['out'], out[ROWS[rank]].detach(), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(part['grad'], whole.grad[ROWS[rank]], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(part['mean'], norm.running_mean)
        torch.testing.assert_close(part['var'], norm.running_var)


def test_conversion_of_a_network():
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.BatchNorm1d(12))
    assert cross_process_batch_norms(model) is model
    assert [type(part) for part in model] == [CrossProcessBatchNorm2d, nn.Flatten, CrossProcessBatchNorm1d]
