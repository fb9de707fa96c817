import pytest
import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.dist import all_reduce
from torch import nn

from pedsearch.models.layers import SplitBatchNorm1d, SplitBatchNorm2d, split_batch_norms, sync_running_stats
from tests.processes import run_on_processes

BATCH = torch.tensor([0., 2., 4., 10., 1., 3., 5., 7.])[:, None]


@pytest.mark.parametrize(('running_stats', 'mean', 'var'), [('first', .4, 2.766667), ('mean', .4, 2.166667),
                                                            ('sequential', .76, 3.156667)])
def test_t8(running_stats, mean, var):
    norm = SplitBatchNorm1d(1, num_splits=2, running_stats=running_stats)
    expected = [-1.069045, -.534522, 0, 1.603567, -1.341639, -.447213, .447213, 1.341639]
    torch.testing.assert_close(norm(BATCH).flatten(), torch.tensor(expected), atol=1e-5, rtol=0)
    assert norm.running_mean.item() == pytest.approx(mean, abs=1e-6)
    assert norm.running_var.item() == pytest.approx(var, abs=1e-6)


def test_one_split_is_batch_norm():
    ours, theirs = SplitBatchNorm1d(1, num_splits=1), nn.BatchNorm1d(1)
    out = ours(BATCH)
    expected = [-1.297771, -.648885, 0, 1.946656, -.973328, -.324443, .324443, .973328]
    torch.testing.assert_close(out.flatten(), torch.tensor(expected), atol=1e-5, rtol=0)
    assert torch.equal(out, theirs(BATCH))
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in ours.state_dict().items())


@pytest.mark.parametrize('shape', [(8, 3), (8, 3, 4, 2)])
@pytest.mark.parametrize('splits', [2, 4])
def test_equals_one_call_on_chunks_merged_into_channels(shape, splits):
    norm = (SplitBatchNorm1d if len(shape) == 2 else SplitBatchNorm2d)(3, num_splits=splits).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x, weights = torch.randn(shape, dtype=torch.double, requires_grad=True), torch.randn(shape, dtype=torch.double)
    chunks = x.view(splits, 8 // splits, *shape[1:]).transpose(0, 1)  # (S, B/S, C, ...) -> (B/S, S, C, ...)
    merged = F.batch_norm(chunks.flatten(1, 2), None, None, norm.weight.repeat(splits), norm.bias.repeat(splits), True)
    merged = merged.view(chunks.shape).transpose(0, 1).reshape(shape)
    out = norm(x)
    torch.testing.assert_close(out, merged)
    for ours, theirs in zip(torch.autograd.grad((out * weights).sum(), [x, norm.weight, norm.bias]),
                            torch.autograd.grad((merged * weights).sum(), [x, norm.weight, norm.bias])):
        torch.testing.assert_close(ours, theirs)


def test_order_matters_between_chunks_only():
    norm, x = SplitBatchNorm1d(3, num_splits=2), torch.randn(8, 3)
    inside, across = torch.tensor([3, 1, 0, 2, 7, 6, 5, 4]), torch.tensor([4, 1, 2, 3, 0, 5, 6, 7])
    torch.testing.assert_close(norm(x[inside]), norm(x)[inside])
    assert not torch.allclose(norm(x[across]), norm(x)[across], atol=.01)


@pytest.mark.parametrize('momentum', [.1, None])
def test_sequential_statistics_are_those_of_chunks_as_batches(momentum):
    ours, theirs = SplitBatchNorm2d(3, momentum=momentum, num_splits=4, running_stats='sequential'), nn.BatchNorm2d(
        3, momentum=momentum)
    for _ in range(2):
        x = torch.randn(8, 3, 4, 2)
        torch.testing.assert_close(ours(x), torch.cat([theirs(chunk) for chunk in x.chunk(4)]))
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, theirs.state_dict()[name])


@pytest.mark.parametrize(('running_stats', 'of_splits'), [('first', lambda x: x[0]), ('mean', lambda x: x.mean(dim=0))])
def test_cumulative_average_counts_batches(running_stats, of_splits):
    norm = SplitBatchNorm1d(3, momentum=None, num_splits=2, running_stats=running_stats)
    batches = torch.randn(5, 2, 4, 3)
    for batch in batches:
        norm(batch.flatten(0, 1))
    torch.testing.assert_close(norm.running_mean, torch.stack([of_splits(x.mean(dim=1)) for x in batches]).mean(dim=0))
    torch.testing.assert_close(norm.running_var, torch.stack([of_splits(x.var(dim=1)) for x in batches]).mean(dim=0))
    assert norm.num_batches_tracked == 5


def test_eval_and_frozen_norms_are_plain():
    norm, plain = SplitBatchNorm2d(3, num_splits=4), nn.BatchNorm2d(3)
    norm(torch.randn(8, 3, 4, 4))
    plain.load_state_dict(norm.state_dict())
    x = torch.randn(3, 3, 4, 4)  # not a multiple of the splits
    before = norm.running_mean.clone()
    assert torch.equal(norm.eval()(x), plain.eval()(x))
    assert torch.equal(norm.running_mean, before)


def test_without_affine_parameters_or_running_statistics():
    x = torch.randn(4, 3)
    out = SplitBatchNorm1d(3, affine=False, track_running_stats=False, num_splits=2)(x)
    torch.testing.assert_close(out, torch.cat([nn.BatchNorm1d(3)(chunk) for chunk in x.chunk(2)]))


def test_channels_last_and_half_precision():
    norm, x = SplitBatchNorm2d(3, num_splits=2), 10 + torch.randn(4, 3, 8, 8)
    assert norm(x.contiguous(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)
    reference = SplitBatchNorm2d(3, num_splits=2)
    half = x.bfloat16()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = reference(half)
    assert out.dtype == torch.bfloat16
    assert reference.running_mean.dtype == torch.float32
    norm.reset_running_stats()
    torch.testing.assert_close(out.float(), norm(half.float()), atol=.01, rtol=.01)
    torch.testing.assert_close(reference.running_var, norm.running_var, atol=1e-4, rtol=1e-4)


def test_conversion_keeps_keys_parameters_and_flags():
    model = nn.Sequential(nn.BatchNorm2d(3, eps=1e-3, momentum=.3), nn.Flatten(), nn.BatchNorm1d(12, affine=False))
    model[0].bias.requires_grad_(False)
    state, weight = model.state_dict(), model[0].weight
    assert split_batch_norms(model, num_splits=2, running_stats='mean') is model
    assert model[0].weight is weight
    assert (model[0].eps, model[0].momentum, model[0].bias.requires_grad) == (1e-3, .3, False)
    assert model.state_dict().keys() == state.keys()
    assert [part.num_splits for part in (model[0], model[2])] == [2, 2]
    assert model(torch.randn(4, 3, 2, 2)).shape == (4, 12)
    assert 'num_splits=2, running_stats=mean' in repr(model)


def test_norm_cfg():
    _, norm = build_norm_layer(dict(type='pedsearch.SplitBatchNorm2d', num_splits=2), 3)
    assert isinstance(norm, SplitBatchNorm2d)


@pytest.mark.parametrize('splits', [1, 2, 4])
def test_t28_end_to_end_equals_accumulated_passes(splits):
    torch.manual_seed(0)
    x, rows = torch.randn(8, 5, dtype=torch.double), F.normalize(torch.randn(3, 4, dtype=torch.double))
    labels = torch.tensor([0, 0, 1, 1, 2, 2, 0, 1])

    def gradient(bn_splits: int, passes: int) -> torch.Tensor:
        torch.manual_seed(1)
        model = split_batch_norms(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)).double(), bn_splits)
        for part, targets in zip(x.chunk(passes), labels.chunk(passes)):
            (F.cross_entropy(F.normalize(model(part)) @ rows.T / .05, targets) / passes).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    torch.testing.assert_close(gradient(splits, 1), gradient(1, splits), atol=1e-12, rtol=1e-12)
    if splits > 1:
        assert (gradient(splits, 1) - gradient(1, 1)).norm() > .05 * gradient(1, 1).norm()


def network(running_stats: str) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 5), nn.BatchNorm1d(5))
    return split_batch_norms(model.double(), num_splits=4, running_stats=running_stats)


def trained(rank: int, world_size: int, running_stats: str) -> dict:
    model = network(running_stats)
    batches = torch.randn(3, 16, 3, 2, 2, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    for batch in batches:
        out = model(batch.chunk(world_size)[rank])
        out.square().square().mean().backward()
    for parameter in model.parameters():
        all_reduce(parameter.grad, op='mean')
    local = model[1].running_mean.clone()
    sync_running_stats(model)
    sync_running_stats(nn.BatchNorm1d(3))
    return dict(out=out.detach(), grads=[parameter.grad for parameter in model.parameters()], state=model.state_dict(),
                local=local)


def refusals() -> list[str]:
    messages = []
    for splits, running_stats in ((1, 'first'), (3, 'first'), (2, 'sequential')):
        with pytest.raises(ValueError) as caught:  # noqa: PT012
            split_batch_norms(nn.BatchNorm1d(3), splits, running_stats)
        messages.append(str(caught.value))
    return messages


def trained_and_refused(rank: int, world_size: int) -> tuple[dict, list[str]]:
    results = {running_stats: trained(rank, world_size, running_stats) for running_stats in ('first', 'mean')}
    return results, refusals() if world_size > 1 else []


@pytest.fixture(scope='module')
def two_processes() -> list:
    return run_on_processes(trained_and_refused, 2)


def test_two_processes_are_one(two_processes):
    for running_stats, expected in trained_and_refused(0, 1)[0].items():
        results = [result[running_stats] for result, _ in two_processes]
        torch.testing.assert_close(torch.cat([result['out'] for result in results]), expected['out'])
        local = results[1]['local']  # before the statistics were synchronised
        assert not torch.allclose(local, expected['state']['1.running_mean'])
        for result in results:
            torch.testing.assert_close(result['grads'], expected['grads'])
            torch.testing.assert_close(dict(result['state']), dict(expected['state']))


def test_splits_that_do_not_fit_the_processes(two_processes):
    fewer, uneven, sequential = two_processes[1][1]
    assert 'positive multiple of the number of processes, 2, got 1; use more splits, or CrossProcessBatchNorm' in fewer
    assert 'processes, 2, got 3' in uneven
    assert "running_stats='sequential' needs one process, got 2" in sequential


@pytest.mark.parametrize(('settings', 'rows', 'message'), [
    (dict(num_splits=0), 4, 'num_splits must be a positive multiple of the number of processes, 1, got 0'),
    (dict(num_splits=2, running_stats='last'), 4, "running_stats must be one of first, mean, sequential, got 'last'"),
    (dict(num_splits=4), 6, r'in 4 splits needs a batch that is a multiple of 4 .* got \(6, 3\); change the batch size'),
    (dict(num_splits=4), 4, r'two values per channel and split, got \(4, 3\)')])
def test_bad_input(settings, rows, message):
    with pytest.raises(ValueError, match=message):
        SplitBatchNorm1d(3, **settings)(torch.randn(rows, 3))
    if 'num_splits must' in message or 'running_stats must' in message:
        plain = nn.BatchNorm1d(3)
        with pytest.raises(ValueError, match=message):
            split_batch_norms(plain, **settings)
        assert type(plain) is nn.BatchNorm1d
