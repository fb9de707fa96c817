import pytest
import torch
import torch.nn.functional as F

from pedsearch.models.gan import SampleLayerNorm, adain, sample_layer_norm


def test_t10_adain():
    x = torch.tensor([[[[1., 2.], [3., 4.]]]])
    y = adain(x, torch.full((1, 1), 2.), torch.full((1, 1), .5))
    torch.testing.assert_close(y.flatten(), torch.tensor([-2.183271, -.394423, 1.394424, 3.183271]), atol=2e-6, rtol=0)
    assert y.mean().item() == pytest.approx(.5, abs=1e-6)
    assert y.std(unbiased=False).item() == pytest.approx(1.999992, abs=1e-6)


def test_t11_no_scale_leaves_the_shift():
    shift = torch.randn(2, 3)
    y = adain(torch.randn(2, 3, 5, 4), torch.zeros(2, 3), shift)
    torch.testing.assert_close(y, shift[..., None, None].expand(2, 3, 5, 4), atol=0, rtol=0)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_adain_of_a_slow_loop(layout):
    x, scale, shift = torch.randn(3, 4, 5, 6).contiguous(memory_format=layout), torch.randn(3, 4), torch.randn(3, 4)
    slow = torch.empty(3, 4, 5, 6)
    for b in range(3):
        for c in range(4):
            spread = (x[b, c].var(unbiased=False) + 1e-5).sqrt()
            slow[b, c] = scale[b, c] * (x[b, c] - x[b, c].mean()) / spread + shift[b, c]
    torch.testing.assert_close(adain(x, scale, shift), slow)


def test_t15_layer_norm_is_not_group_norm():
    x, one, zero = torch.arange(1., 9).view(1, 2, 2, 2), torch.ones(2), torch.zeros(2)
    expected = torch.linspace(-1.428863, 1.428863, 8).view(1, 2, 2, 2)  # -1.428863, -1.020617, ...
    assert expected.flatten()[1].item() == pytest.approx(-1.020617, abs=1e-6)
    torch.testing.assert_close(sample_layer_norm(x, one, zero), expected, atol=1e-6, rtol=0)
    assert F.group_norm(x, 1).max().item() == pytest.approx(1.527524, abs=1e-5)


def test_layer_norm_of_one_sample_after_another_with_a_channel_s_gain_and_shift():
    x, norm = torch.randn(3, 4, 5, 6) * torch.tensor([1., 10., 100.]).view(3, 1, 1, 1), SampleLayerNorm(4)
    norm.shift.data.normal_()
    for sample, y in zip(x, norm(x)):
        plain = (sample - sample.mean()) / (sample.std() + 1e-5)
        torch.testing.assert_close(y, plain * norm.gain.view(4, 1, 1) + norm.shift.view(4, 1, 1))


def test_the_eps_of_layer_norm_is_outside_the_root():
    x = 1e-5 * torch.tensor([-1., 1.]).view(1, 1, 1, 2)  # unbiased std sqrt(2) * 1e-5
    y = sample_layer_norm(x, torch.ones(1), torch.zeros(1))
    assert y.abs().max().item() == pytest.approx(1 / (2 ** .5 + 1), rel=1e-4)


def test_a_constant_sample_has_a_finite_gradient():
    x = torch.full((1, 2, 3, 3), 4., requires_grad=True)
    y = sample_layer_norm(x, torch.ones(2), torch.tensor([1., 2.]))
    y.square().sum().backward()
    assert y.flatten().tolist() == [1] * 9 + [2] * 9
    assert x.grad.isfinite().all()


def test_gain_between_0_and_1_and_no_shift_at_first():
    norm = SampleLayerNorm(2000)
    assert 0 <= norm.gain.min() < .05
    assert .95 < norm.gain.max() < 1
    assert norm.gain.mean().item() == pytest.approx(.5, abs=.05)
    assert not norm.shift.any()


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('norm', [adain, sample_layer_norm])
def test_statistics_of_half_precision_maps_are_float32(norm, dtype):
    x = (8 + torch.randn(2, 3, 24, 16)).to(dtype)  # a sum in half precision would be off by far
    size = (2, 3) if norm is adain else (3,)
    scale, shift = torch.rand(size), torch.randn(size)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        y = norm(x, scale, shift)
    assert y.dtype == dtype
    torch.testing.assert_close(y, norm(x.float(), scale, shift).to(dtype))


@pytest.mark.parametrize('norm', [adain, sample_layer_norm])
def test_gradients(norm):
    size = (2, 3) if norm is adain else (3,)
    inputs = [torch.randn(size, dtype=torch.double, requires_grad=True) for size in ((2, 3, 3, 2), size, size)]
    assert torch.autograd.gradcheck(norm, inputs)
