import pytest
import torch
from mmpretrain.models.necks import GeneralizedMeanPooling

from pedsearch.models.layers import GeMPooling, gem_pool, global_max_pool
from pedsearch.registry import MODELS


def as_map(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 2, 2)


def test_global_max_pool():
    x = torch.randn(3, 4, 5, 6)
    assert torch.equal(global_max_pool(x), x.amax(dim=(2, 3)))


@pytest.mark.parametrize(('values', 'p', 'expected'), [
    ((1., 2., 3., 4.), 1, 2.5), ((1., 2., 3., 4.), 3, 2.924018), ((1., 2., 3., 4.), 6.5, 3.308696),
    ((1., 2., 3., 4.), 100, 3.944931), ((0., 0., 0., 2.), 3, 1.259921), ((0., -1., -2., 0.), 3, 1e-6)])
def test_t6_values(values, p, expected):
    out = gem_pool(as_map(*values), p)
    assert out.shape == (1, 1)
    assert out.item() == pytest.approx(expected, rel=1e-6)


def test_t6_gradients():
    pool, x = GeMPooling(), as_map(1., 2., 3., 4.).requires_grad_()
    pool(x).backward()
    assert pool.p.shape == (1, )
    assert pool.p.grad.item() == pytest.approx(.162134, abs=1e-6)
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([.029240, .116961, .263162, .467843]), atol=1e-6, rtol=0)


def test_gem_equals_the_library_and_numeric_gradients():
    x = torch.rand(4, 5, 6, 3, requires_grad=True)
    ours, theirs = GeMPooling(p=2.5), GeneralizedMeanPooling(p=2.5)
    (out, ), (reference, ) = ([pool(x)] for pool in (ours, theirs))
    torch.testing.assert_close(out, reference)
    weights = torch.randn_like(out)
    for a, b in zip(torch.autograd.grad((out * weights).sum(), [x, ours.p]),
                    torch.autograd.grad((reference * weights).sum(), [x, theirs.p])):
        torch.testing.assert_close(a, b)
    assert torch.autograd.gradcheck(gem_pool, (x[:1, :2].double(), torch.tensor([2.], dtype=torch.double,
                                                                               requires_grad=True)))


def test_large_half_precision_values_do_not_overflow():
    x = torch.full((2, 3, 4, 4), 60000., dtype=torch.half)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = GeMPooling(p=6.5)(x)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.full((2, 3), 60000.))


def test_the_power_stays_positive():
    pool, x = GeMPooling(), torch.rand(2, 3, 4, 4) + .5
    with torch.no_grad():
        pool.p.fill_(-2.)
    geometric_mean = x.double().log().mean(dim=(2, 3)).exp().float()
    torch.testing.assert_close(pool(x), geometric_mean, atol=1e-3, rtol=1e-3)


def test_fixed_power_from_the_registry():
    pool = MODELS.build(dict(type='GeMPooling', p=2, trainable=False))
    assert not pool.p.requires_grad
    assert list(pool.state_dict()) == ['p']


def test_library_average_pooling_gives_vectors():
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(MODELS.build(dict(type='mmpretrain.GlobalAveragePooling'))(x), x.mean(dim=(2, 3)))


def test_bad_power():
    with pytest.raises(ValueError, match='p >= 0.001 and eps > 0, got 0 and 1e-06'):
        GeMPooling(p=0)
