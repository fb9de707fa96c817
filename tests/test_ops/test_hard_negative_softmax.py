"""Oracles: worked numbers, the whole order in exact sums, autograd, and the torch reference."""

import math
from fractions import Fraction

import pytest
import torch

from pedsearch.ops import hard_negative_softmax, hardest_negatives, native_library, reference_kernels

BLOCK_THREADS = [8, 24]
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=['native', 'reference'])
def kernels(request):
    if request.param == 'native':
        if native_library(torch.device('cpu')) is None:
            pytest.skip('the native kernels are not built')
        yield
    else:
        with reference_kernels():
            yield


def random_logits(kind, rows, classes, dtype, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    if kind == 'tied':
        logits = (2 * logits).round() / 2  # both zeros among them
    elif kind == 'flat':
        logits = 7 + logits / 1000
    elif kind == 'steep':
        logits = 300 * logits
    elif kind == 'one':
        logits = logits[:, :1].expand(-1, classes).clone()
    elif kind == 'gaps':
        logits = (4 * logits).masked_fill(torch.rand(logits.shape, generator=generator) < .4, -torch.inf)
        logits[:, 0] = 0
    else:
        logits = 4 * logits
    labels = torch.randint(classes if kind != 'gaps' else 1, (rows, ), generator=generator)
    return logits.to(dtype), labels


def plain_kept(row, label, top_percent):
    """The classes that the rule keeps, with sums that are not rounded, and how clear the choice was."""
    row = row.double()
    top = max([value for k, value in enumerate(row.tolist()) if k != label], default=-math.inf)
    exps = {k: Fraction(math.exp(value - top)) for k, value in enumerate(row.tolist())
            if k != label and value > -math.inf}
    falling = sorted(exps, key=lambda k: -row[k].item())
    if top_percent == 1 or not falling:
        return set(falling), 1.
    total, reached, distances = sum(exps.values()), 0, []
    for k in falling:
        reached += exps[k]
        distances.append(abs(reached / total - Fraction(top_percent)))
    least = row[falling[distances.index(min(distances))]]
    others = [distance for k, distance in zip(falling, distances) if row[k] != least]
    clear = float(min(others) - min(distances)) if others else 1.
    return {k for k in falling if row[k] >= least}, clear


def plain_losses(logits, kept, labels, eps):
    """The formula on exponentials relative to the highest of a row; ``kept`` (B, K) without the labels."""
    high = logits.detach().amax(dim=1, keepdim=True)
    exps, scale = (logits - high).exp(), (-high.squeeze(1)).exp()
    right = exps.gather(1, labels[:, None]).squeeze(1)
    p = right / (right + torch.where(kept, exps, 0).sum(dim=1) + eps * scale)
    return -(p + eps).log()


def check(found, logits, labels, top_percent, eps):
    """Chosen classes by the exact rule where it is clear, value and gradient for those that were chosen."""
    losses, gradients = found
    kept = (gradients != 0).scatter_(1, labels[:, None], False)
    for row, label, mask in zip(logits, labels.tolist(), kept):
        expected, clear = plain_kept(row, label, top_percent)
        if clear > 3e-6:
            assert set(mask.nonzero().flatten().tolist()) == expected
        else:
            assert abs(int(mask.sum()) - len(expected)) <= 1
    leaves = logits.double().requires_grad_()
    plain = plain_losses(leaves, kept, labels, eps)
    slopes, = torch.autograd.grad(plain.sum(), leaves)
    tolerance = 1e-10 if logits.dtype == torch.float64 else 2e-6
    torch.testing.assert_close(losses.double(), plain.detach(), atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(gradients.double(), slopes.nan_to_num(), atol=tolerance, rtol=tolerance)
    assert (losses.dtype, gradients.dtype) == (logits.dtype, logits.dtype)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('top_percent', [1e-9, .3, .6, .97, 1])
@pytest.mark.parametrize('kind', ['spread', 'tied', 'flat', 'one', 'gaps'])
def test_rule_value_and_gradient(kernels, kind, top_percent, dtype):
    for classes in (2, 3, 17, 300):
        logits, labels = random_logits(kind, 12, classes, dtype, classes)
        for eps in (1e-6, .1):
            check(hard_negative_softmax(logits, labels, top_percent, eps), logits, labels, top_percent, eps)
    check(hard_negative_softmax(logits, labels, top_percent, 0), logits, labels, top_percent, 0)


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('top_percent', [1e-9, .6, 1])
@pytest.mark.parametrize('kind', ['spread', 'tied', 'flat', 'one', 'gaps'])
def test_cuda_source_on_a_cpu(emulated_gpu, kind, top_percent, dtype, block_threads):
    for classes in (2, 17, 90):
        logits, labels = random_logits(kind, 5, classes, dtype, classes)
        with emulated_gpu(block_threads):
            found = hard_negative_softmax(logits, labels, top_percent)
        check(found, logits, labels, top_percent, 1e-6)


@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('kind', ['spread', 'flat', 'tied', 'steep'])
def test_many_classes_as_in_the_reference(kind, dtype):
    logits, labels = random_logits(kind, 40, 5000, dtype)
    losses, gradients = hard_negative_softmax(logits, labels)
    with reference_kernels():
        expected_losses, expected = hard_negative_softmax(logits, labels)
    different = ((gradients != 0) != (expected != 0)).sum(dim=1)
    assert different.max() <= (0 if dtype == torch.float64 and kind != 'steep' else 1)
    assert (different > 0).float().mean() < .1
    torch.testing.assert_close(losses, expected_losses, atol=1e-3, rtol=1e-5)
    same = different == 0
    torch.testing.assert_close(gradients[same], expected[same], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(('shares', 'kept'), [
    ([.5, .3, .15, .05], 1), ([.35, .3, .2, .15], 2), ([.7, .2, .1], 1), ([.45, .3, .25], 1), ([.25] * 4, 4)])
def test_o12_kept_negatives(kernels, shares, kept):
    for dtype in DTYPES:
        logits, labels = torch.tensor([[.5, *shares]], dtype=dtype).log().flip(1), torch.tensor([len(shares)])
        expected = [[False, *(i < kept for i in range(len(shares)))]]
        assert hardest_negatives(logits, labels, .6).flip(1).tolist() == expected
        slopes = hard_negative_softmax(logits, labels)[1].flip(1)
        assert (slopes > 0).tolist() == expected
        assert slopes[0, 0] < 0


@pytest.mark.parametrize('top_percent', [.6, 1])
def test_without_a_wrong_class_none_is_kept(kernels, top_percent):
    logits, labels = torch.tensor([[-torch.inf, 1., -torch.inf], [3., -torch.inf, -torch.inf]]), torch.tensor([1, 0])
    losses, gradients = hard_negative_softmax(logits, labels, top_percent, eps=0)
    assert not losses.any()
    assert not gradients.any()


def test_no_logit_is_too_large(kernels):
    logits = torch.tensor([[0., 900., 899.], [900., 0., -900.], [-900., -900., -1000.]])
    losses, gradients = hard_negative_softmax(logits, torch.zeros(3).long(), 1, eps=0)
    assert losses.tolist() == pytest.approx([900.313262, 0., math.log(2)], abs=1e-4)
    torch.testing.assert_close(gradients, torch.tensor([[-1., .731059, .268941], [0., 0., 0.], [-.5, .5, 0.]]))
    assert hard_negative_softmax(logits[:1], torch.tensor([0]))[0].item() == pytest.approx(-math.log(1e-6), abs=1e-4)


def broken_rows():
    """Rows with a NaN or an infinity, one that is whole, and labels."""
    logits = torch.zeros(5, 40)
    logits[0, 7], logits[1, 3], logits[2, 20], logits[3] = torch.nan, torch.nan, torch.inf, torch.nan
    return logits, torch.tensor([2, 3, 2, 3, 2])


def test_rows_that_are_not_finite_are_nan_and_leave_others_alone(kernels):
    losses, gradients = hard_negative_softmax(*broken_rows())
    assert losses.isnan().tolist() == [True, True, True, True, False]
    assert gradients.isnan().any(dim=1).tolist() == [True, True, True, True, False]


def test_cuda_source_marks_broken_rows_and_labels(emulated_gpu, monkeypatch):
    module = __import__('pedsearch.ops.hard_negative_softmax', fromlist=[''])
    monkeypatch.setattr(module, '_check', lambda *args: None)
    logits, labels = broken_rows()
    with emulated_gpu(8):
        losses, gradients = hard_negative_softmax(logits, labels)
        outside, _ = hard_negative_softmax(logits[-1:].repeat(3, 1), torch.tensor([-1, 40, 0]))
    assert losses.isnan().tolist() == [True, True, True, True, False]
    assert not gradients[-1].isnan().any()
    assert outside.isnan().tolist() == [True, True, False]


def test_overwriting(kernels):
    logits, labels = random_logits('spread', 3, 30, torch.float32)
    before = logits.clone()
    expected = hard_negative_softmax(logits, labels)
    assert torch.equal(logits, before)
    strided = torch.stack([logits, logits], dim=2)[:, :, 0]
    for part in (logits, strided):
        for found, value in zip(hard_negative_softmax(part, labels, overwrite=True), expected):
            assert torch.equal(found, value)


def test_one_thread_equals_many(kernels):
    logits, labels = random_logits('spread', 50, 70, torch.float32)
    expected, num_threads = hard_negative_softmax(logits, labels), torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert all(map(torch.equal, hard_negative_softmax(logits, labels), expected))
    finally:
        torch.set_num_threads(num_threads)


def test_no_rows(kernels):
    losses, gradients = hard_negative_softmax(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert (losses.shape, gradients.shape) == ((0, ), (0, 4))


@pytest.mark.parametrize(('changes', 'text'), [
    ({'logits': torch.zeros(3)}, r'logits must have shape \(B, K\) and be float32 or float64, got \(3,\) torch.float32'),
    ({'logits': torch.zeros(1, 3).half()}, r'got \(1, 3\) torch.float16'),
    ({'labels': torch.zeros(2).long()}, r'labels must be \(1,\) int64 on cpu, got \(2,\) torch.int64 on cpu; one class'),
    ({'labels': torch.zeros(1).int()}, r'got \(1,\) torch.int32'),
    ({'labels': torch.tensor([3])}, r'labels must lie in 0...2, got 3...3; number the classes as the columns'),
    ({'labels': torch.tensor([-1])}, r'labels must lie in 0...2, got -1...-1'),
    ({'top_percent': 0}, r'top_percent must lie in \(0, 1\] and eps be >= 0, got 0 and 1e-06'),
    ({'eps': -1}, r'got 0.6 and -1')])
def test_input_that_does_not_fit(changes, text):
    with pytest.raises(ValueError, match=text):
        hard_negative_softmax(**{**dict(logits=torch.zeros(1, 3), labels=torch.tensor([0])), **changes})
