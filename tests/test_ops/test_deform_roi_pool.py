import functools

import pytest
import torch
from torchvision.ops import roi_align

from pedsearch.ops import deform_roi_pool, native_library, reference_kernels

from .. import plain_roi_pool

SIZE = (14, 6)


@pytest.fixture(params=['native', 'reference'])
def pool(request):
    if request.param == 'native':
        return deform_roi_pool
    return reference_kernels()(functools.partial(deform_roi_pool))


def coordinate_map(axis, size=32):
    line = torch.arange(float(size))
    return (line if axis == 'x' else line[:, None]).expand(1, 1, size, size)


def example(dtype, channels, height, width, output_size, num_rois=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    feats = torch.randn(2, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)
    rois = plain_roi_pool.random_rois(num_rois, 4 * height, 4 * width, 2, generator).to(dtype)
    offsets = torch.randn(len(rois), 2, *output_size, generator=generator, dtype=torch.float64).to(dtype)
    return feats.requires_grad_(), rois, offsets.requires_grad_()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize(('channels', 'height', 'width', 'output_size'), [(3, 20, 17, (4, 3)), (37, 7, 30, (2, 5)),
                                                                        (1, 1, 1, (3, 1)), (2, 1, 40, (1, 2))])
def test_equals_a_loop(pool, channels, height, width, output_size, ratio, dtype):
    feats, rois, offsets = example(dtype, channels, height, width, output_size)
    for shifts in (None, offsets.detach()):
        expected = plain_roi_pool.roi_pool(feats.detach(), rois, shifts, output_size, .25, ratio, .1)
        found = pool(feats, rois, shifts, output_size, .25, ratio, .1)
        tolerance = 1e-12 if dtype == torch.float64 else 2e-4
        torch.testing.assert_close(found.double(), torch.from_numpy(expected), rtol=0, atol=tolerance)


def test_o24_at_full_size(pool):
    """Feature = x or y index, stride 16, a channel for each of the 1024."""
    x_map, y_map = coordinate_map('x').expand(1, 1024, -1, -1), coordinate_map('y').expand(1, 1024, -1, -1)
    columns, rows = torch.arange(2., 8.).expand(1, 1024, *SIZE), torch.arange(14.)[:, None].expand(1, 1024, *SIZE)
    zero = torch.zeros(1, 2, *SIZE)
    right, up = zero.clone(), zero.clone()
    right[:, 0] = 1
    up[0, 1, 3, 2] = -1

    def pooled(feats, box, offsets):
        return pool(feats, torch.tensor([[0., *box]]), offsets, SIZE, 1 / 16)

    for offsets in (None, zero):
        torch.testing.assert_close(pooled(x_map, (32, 0, 128, 224), offsets), columns)
        torch.testing.assert_close(pooled(x_map, (40, 0, 136, 224), offsets), columns + .5)
        torch.testing.assert_close(pooled(y_map, (32, 0, 128, 224), offsets), rows)
    torch.testing.assert_close(pooled(x_map, (32, 0, 128, 224), right), columns + .6)
    shifted = pooled(y_map, (32, 32, 128, 256), up)[0, 0, :, 2].tolist()
    assert shifted == pytest.approx([2, 3, 4, 3.6, *range(6, 16)])


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('ratio', [0, 1, 3])
def test_no_shift_is_the_library_roi_align(pool, ratio, dtype):
    feats, rois, offsets = example(dtype, 40, 20, 17, (14, 6), num_rois=20)
    grad = torch.randn(len(rois), 40, 14, 6, dtype=dtype)
    expected = roi_align(feats, rois, (14, 6), .25, ratio, aligned=True)
    expected_grad, = torch.autograd.grad(expected, feats, grad)
    for shifts in (None, torch.zeros_like(offsets)):
        found = pool(feats, rois, shifts, (14, 6), .25, ratio)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(torch.autograd.grad(found, feats, grad)[0], expected_grad, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('shape', [(2, 7, 6, (2, 3)), (33, 2, 2, (1, 2))])
def test_gradients_are_numerically_right(pool, shape):
    feats, rois, offsets = example(torch.float64, *shape, num_rois=2)
    keep = [0, 1, 2, 7, 8]
    shifts = offsets.detach()[keep].requires_grad_()
    assert torch.autograd.gradcheck(lambda x, o: pool(x, rois[keep], o, shape[3], .25), (feats, shifts))


def test_gradient_of_the_offsets_by_hand():
    """Of the slope of the map times gamma times the size of the RoI, and none where samples are clamped."""
    feats = coordinate_map('x').double() * 3 + coordinate_map('y') * 5
    rois = torch.tensor([[0., 32, 32, 128, 256], [0., -200, 0, 0, 224]]).double()
    offsets = torch.full((2, 2, *SIZE), .01, dtype=torch.float64, requires_grad=True)
    deform_roi_pool(feats, rois, offsets, SIZE, 1 / 16).sum().backward()
    torch.testing.assert_close(offsets.grad[0, 0], torch.full(SIZE, .1 * 6 * 3, dtype=torch.float64))
    torch.testing.assert_close(offsets.grad[0, 1], torch.full(SIZE, .1 * 14 * 5, dtype=torch.float64))
    assert (offsets.grad[1, 0] == 0).all()


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_native_equals_the_reference(dtype):
    feats, rois, offsets = example(dtype, 70, 30, 20, SIZE, num_rois=90)
    grad = torch.randn(len(rois), 70, *SIZE, dtype=dtype)
    found = deform_roi_pool(feats, rois, offsets, SIZE, .25)
    with reference_kernels():
        expected = deform_roi_pool(feats, rois, offsets, SIZE, .25)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(torch.autograd.grad(found, (feats, offsets), grad),
                            torch.autograd.grad(expected, (feats, offsets), grad)):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3 if dtype == torch.float32 else 1e-10)


def test_one_gradient_alone(pool):
    feats, rois, offsets = example(torch.float64, 5, 9, 8, (3, 2))
    both = torch.autograd.grad(pool(feats, rois, offsets, (3, 2), .25).square().sum(), (feats, offsets))
    of_feats, = torch.autograd.grad(pool(feats, rois, offsets.detach(), (3, 2), .25).square().sum(), feats)
    of_offsets, = torch.autograd.grad(pool(feats.detach(), rois, offsets, (3, 2), .25).square().sum(), offsets)
    torch.testing.assert_close((of_feats, of_offsets), both)


def test_no_rois(pool):
    feats, rois, offsets = example(torch.float32, 5, 9, 8, (3, 2))
    for shifts in (None, offsets[:0]):
        pooled = pool(feats, rois[:0], shifts, (3, 2), .25)
        assert pooled.shape == (0, 5, 3, 2)
        assert (torch.autograd.grad(pooled.sum(), feats)[0] == 0).all()


def test_rois_without_area_or_image_under_them(pool):
    feats = torch.ones(1, 2, 8, 8)
    rois = torch.tensor([[0., 4, 4, 4, 4], [0, 9, 2, 3, 1], [0, -50, -50, -20, -20], [0, 300, 300, 400, 350]])
    for offsets in (None, torch.zeros(4, 2, 3, 3)):
        assert (pool(feats, rois, offsets, (3, 3), .5) == 0).all()


def test_the_image_that_the_roi_names(pool):
    feats = torch.arange(3.)[:, None, None, None].expand(3, 1, 6, 6)
    rois = torch.tensor([[2., 1, 1, 4, 4], [0, 1, 1, 4, 4], [1, 1, 1, 4, 4]])
    for offsets in (None, torch.zeros(3, 2, 2, 2)):
        assert pool(feats, rois, offsets, (2, 2))[:, 0, 0, 0].tolist() == [2, 0, 1]


def test_strided_inputs(pool):
    feats, rois, offsets = example(torch.float64, 6, 9, 8, (3, 2))
    expected = pool(feats, rois, offsets, (3, 2), .25)
    strided = [torch.stack([part, part], dim=-1)[..., 0] for part in (feats, rois, offsets)]
    torch.testing.assert_close(pool(*strided, (3, 2), .25), expected)
    channels_last = feats.contiguous(memory_format=torch.channels_last)
    found = pool(channels_last, rois, offsets, (3, 2), .25)
    assert found.is_contiguous()
    torch.testing.assert_close(found, expected)


def test_an_endless_roi_ends():
    if native_library(torch.device('cpu')) is None:
        pytest.skip('needs built CPU kernels')
    rois = torch.tensor([[0., -1e30, -1e30, 1e30, 1e30], [0., float('nan'), 0, 4, 4], [0., 0, 0, 4, float('inf')]])
    assert torch.isfinite(deform_roi_pool(torch.ones(1, 1, 5, 5), rois, None, (2, 2))).all()


def test_half_types_are_summed_wider(pool):
    feats, rois, offsets = example(torch.float32, 5, 30, 20, (3, 2))
    half = feats.detach().bfloat16().requires_grad_()
    found = pool(half, rois, offsets.bfloat16(), (3, 2), .25)
    expected = pool(half.float(), rois, offsets.bfloat16().float(), (3, 2), .25)
    assert torch.equal(found, expected.bfloat16())
    assert torch.autograd.grad(found.sum(), half)[0].dtype == torch.bfloat16


def test_bad_arguments():
    feats, rois, offsets = example(torch.float32, 5, 9, 8, (3, 2))
    with pytest.raises(ValueError, match=r'feats must be floating point of shape \(B, C, H, W\).* got \(5, 9, 8\)'):
        deform_roi_pool(feats[0], rois, offsets, (3, 2))
    with pytest.raises(ValueError, match=r'shape \(R, 5\) on cpu, got \(13, 4\)'):
        deform_roi_pool(feats, rois[:, 1:], offsets, (3, 2))
    with pytest.raises(ValueError, match=r'offsets must be floating point of shape \(13, 2, 3, 2\)'):
        deform_roi_pool(feats, rois, offsets.flatten(2), (3, 2))
    with pytest.raises(ValueError, match=r'image indices of rois must be in 0...1, got 0 to 2'):
        deform_roi_pool(feats, torch.tensor([[0., 0, 0, 1, 1], [2., 0, 0, 1, 1]]), None, (3, 2))
    with pytest.raises(ValueError, match=r'output_size must be \(height, width\), both positive, got \(0, 2\)'):
        deform_roi_pool(feats, rois, None, (0, 2))
