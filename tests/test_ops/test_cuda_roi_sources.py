"""The CUDA sources of the operators on RoIs, run by threads of the CPU (fixture ``emulated_gpu``)."""

import pytest
import torch

from pedsearch.ops import deform_roi_pool, multi_level_roi_align, person_crops

from .. import plain_roi_pool

BLOCK_THREADS = [8, 24]
DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]


def random_rois(num, height, width, dtype, seed=0):
    boxes = plain_roi_pool.random_rois(num, height, width, 2, torch.Generator().manual_seed(seed))
    return boxes.to(dtype if dtype == torch.float64 else torch.float32)


def close(found, expected, dtype):
    """Sums are float32 at least, but gradients of half types are rounded to them."""
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def gradients(run, leaves):
    out = run()
    return [out, *torch.autograd.grad(out.float().square().sum(), leaves)]


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('channels', [1, 70, 200])  # 64 and 192 are what a block of threads does at once
@pytest.mark.parametrize('shifted', [True, False])
def test_deform_roi_pool(emulated_gpu, channels, shifted, dtype, block_threads):
    generator = torch.Generator().manual_seed(channels)
    feats = torch.randn(2, channels, 9, 11, generator=generator).to(dtype).requires_grad_()
    boxes = random_rois(3, 72, 88, dtype)
    offsets = torch.randn(len(boxes), 2, 2, 3, generator=generator).to(boxes.dtype).requires_grad_() if shifted else None
    leaves = (feats, offsets) if shifted else (feats, )

    def run():
        return deform_roi_pool(feats, boxes, offsets, (2, 3), 1 / 8)

    with emulated_gpu(block_threads):
        found = gradients(run, leaves)
    for ours, expected in zip(found, gradients(run, leaves)):
        assert ours.dtype == expected.dtype
        close(ours, expected, dtype)


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
def test_bins_of_more_samples_than_fit_at_once(emulated_gpu, block_threads):
    feats = torch.randn(1, 3, 50, 60, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[0., 1, 2, 57.3, 44.1], [0, -30, -20, 90, 80], [0, -9e3, -9e3, 8e3, 9e3]]).double()
    offsets = torch.full((3, 2, 1, 2), .3, dtype=torch.float64, requires_grad=True)

    def run():
        return deform_roi_pool(feats, boxes, offsets, (1, 2))

    with emulated_gpu(block_threads):
        found = gradients(run, (feats, offsets))
    for ours, expected in zip(found, gradients(run, (feats, offsets))):
        close(ours, expected, torch.float64)


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dtype', DTYPES)
@pytest.mark.parametrize('aligned', [True, False])
def test_multi_level_roi_align(emulated_gpu, aligned, dtype, block_threads):
    feats = [torch.randn(2, 5, 96 // stride, 128 // stride).to(dtype).requires_grad_() for stride in (4, 8, 16)]
    boxes = random_rois(6, 96, 128, dtype)

    def run():
        return multi_level_roi_align(feats, boxes, (2, 2), (4, 8, 16), 12, aligned=aligned)

    with emulated_gpu(block_threads):
        found = gradients(run, feats)
    for ours, expected in zip(found, gradients(run, feats)):
        close(ours, expected, dtype)


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dtype', [*DTYPES, torch.uint8])
@pytest.mark.parametrize('num_patches', [None, 0, 4, 130])  # near patches of a box are kept up to 64
def test_person_crops(emulated_gpu, num_patches, dtype, block_threads):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (2, 3, 40, 50), generator=generator).to(dtype)
    boxes = torch.cat([random_rois(2, 40, 50, dtype), torch.tensor([[0, -300., -200, 400, 900]])])
    mean, std = torch.tensor([103.53, 116.28, 123.675]), torch.tensor([57.375, 57.12, 58.395])
    patches = None
    if num_patches is not None:
        corners = torch.randint(-9, 55, (num_patches, 1, 2), generator=generator)
        corners = torch.cat([corners, corners + torch.randint(0, 9, corners.shape, generator=generator)], dim=1)
        patches = torch.cat([torch.arange(num_patches)[:, None] % 2, corners.flatten(1)], dim=1)
    with emulated_gpu(block_threads):
        found = person_crops(images, boxes, (3, 10), mean, std, patches)
        none = person_crops(images, boxes[:0], (3, 10), mean, std, patches)
    assert len(none) == 0
    expected = person_crops(images, boxes, (3, 10), mean, std, patches)
    assert found.dtype == expected.dtype
    close(found, expected, torch.float32 if dtype == torch.uint8 else dtype)


def test_half_numbers_are_read_to_the_bit(emulated_gpu):
    numbers = torch.arange(-2**15, 2**15, dtype=torch.int32).short()
    for dtype in (torch.float16, torch.bfloat16):
        images = numbers.view(dtype).nan_to_num(0, 0, 0).reshape(1, 1, 256, 256).repeat(1, 3, 1, 1)
        with emulated_gpu(24):
            crops = person_crops(images[:, :, :, :64], torch.tensor([[0., 0, 0, 64, 256]]), (256, 64))
        assert torch.equal(crops, images[:, :, :, :64])


def test_an_image_that_does_not_exist_gives_nan(emulated_gpu, monkeypatch):
    boxes = torch.tensor([[0., 0, 0, 4, 4], [1, 0, 0, 4, 4], [-1, 0, 0, 4, 4]])
    for module in ('deform_roi_pool', 'person_crops'):
        monkeypatch.setattr(__import__(f'pedsearch.ops.{module}', fromlist=['']), 'check_rois', lambda *args: None)
    feats = torch.ones(1, 3, 6, 6, requires_grad=True)
    with emulated_gpu(8):
        pooled = deform_roi_pool(feats, boxes, None, (2, 2))
        grad, = torch.autograd.grad(pooled[0].sum(), feats)
        crops = person_crops(feats.detach(), boxes, (2, 2))
    for out in (pooled, crops):
        assert out.isnan().flatten(1).all(dim=1).tolist() == [False, True, True]
        assert not out[0].isnan().any()
    assert not grad.isnan().any()
