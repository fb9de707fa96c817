import functools

import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor

from pedsearch.ops import multi_level_roi_align, reference_kernels

from .. import plain_roi_pool

STRIDES = (4, 8, 16, 32)


@pytest.fixture(params=['native', 'reference'])
def pool(request):
    if request.param == 'native':
        return multi_level_roi_align
    return reference_kernels()(functools.partial(multi_level_roi_align))


def example(dtype=torch.float32, channels=35, height=240, width=320, strides=STRIDES, seed=0):
    generator = torch.Generator().manual_seed(seed)
    feats = [torch.randn(2, channels, height // stride, width // stride, generator=generator).to(dtype).requires_grad_()
             for stride in strides]
    size = torch.tensor([width, height])
    boxes = torch.cat([torch.rand(40, 2, generator=generator) * size * .8, torch.zeros(40, 2)], dim=1)
    boxes[:, 2:] = boxes[:, :2] + 2**(torch.rand(40, 2, generator=generator) * 7 + 2)
    boxes[:4] = torch.tensor([[0, 0, 112, 112], [-60, -60, -10, -10], [0, 0, 500, 480], [10, 10, 250, 250]])
    return feats, torch.cat([torch.randint(2, (40, 1), generator=generator), boxes], dim=1).to(dtype)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('num_levels', [4, 2, 1])
def test_equals_the_extractor_of_mmdet(pool, num_levels, ratio, aligned, dtype):
    feats, rois = example(dtype, strides=STRIDES[:num_levels])
    extractor = SingleRoIExtractor(dict(type='RoIAlign', output_size=(7, 5), sampling_ratio=ratio, aligned=aligned), 35,
                                   STRIDES[:num_levels])
    levels = extractor.map_roi_levels(rois, num_levels)
    assert len(levels.unique()) == num_levels
    expected = extractor(feats, rois)
    found = pool(feats, rois, (7, 5), STRIDES[:num_levels], sampling_ratio=ratio, aligned=aligned)
    torch.testing.assert_close(found, expected)
    grad = torch.randn_like(found)
    for ours, theirs in zip(torch.autograd.grad(found, feats, grad), torch.autograd.grad(expected, feats, grad)):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_equals_a_loop_on_the_level_of_each_box(pool):
    feats, rois = example(torch.float64, channels=2)
    found = pool(feats, rois, (2, 3), STRIDES, finest_scale=28, sampling_ratio=1).detach()
    levels = set()
    for roi, values in zip(rois, found):
        side = float((roi[3] - roi[1]) * (roi[4] - roi[2]))**.5
        level = sum(side >= 28 * 2**k for k in (1, 2, 3))
        levels.add(level)
        expected = plain_roi_pool.roi_pool(feats[level].detach(), roi[None], None, (2, 3), 1 / STRIDES[level], 1)
        torch.testing.assert_close(values, torch.from_numpy(expected[0]), rtol=0, atol=1e-12)
    assert levels == {0, 1, 2, 3}


def test_gradients_are_numerically_right(pool):
    feats, rois = example(torch.float64, channels=1, height=32, width=48, strides=(4, 8))
    rois = rois[:6]
    rois[:, 1:] *= .3
    assert torch.autograd.gradcheck(lambda *maps: pool(maps, rois, (2, 2), (4, 8), finest_scale=10), feats)


def test_a_level_without_boxes_gets_a_gradient_of_0(pool):
    feats, rois = example()
    grads = torch.autograd.grad(pool(feats, rois[:1], (3, 3), STRIDES).sum(), feats)  # side 112: level 1
    assert [bool(grad.any()) for grad in grads] == [False, True, False, False]


def test_no_boxes(pool):
    feats, rois = example()
    pooled = pool(feats, rois[:0], (3, 2), STRIDES)
    assert pooled.shape == (0, 35, 3, 2)
    assert all((grad == 0).all() for grad in torch.autograd.grad(pooled.sum(), feats))


def test_more_levels_than_the_kernel_takes():
    feats = [torch.full((1, 1, 4, 4), float(level)) for level in range(9)]
    rois = torch.tensor([[0., 0, 0, 1, 1], [0, 0, 0, 2**9, 2**9]])
    pooled = multi_level_roi_align(feats, rois, (1, 1), [2**level for level in range(9)], finest_scale=1)
    assert pooled[1].item() == 8


def test_bad_arguments():
    feats, rois = example()
    with pytest.raises(ValueError, match='feats and strides must be equally many, at least one, got 4 and 3'):
        multi_level_roi_align(feats, rois, (3, 3), STRIDES[:3])
    with pytest.raises(ValueError, match=r'maps must be alike in B, C.* at level 1, \(2, 34, 30, 40\)'):
        multi_level_roi_align([feats[0], feats[1][:, 1:]], rois, (3, 3), (4, 8))
    with pytest.raises(ValueError, match=r'feats\[1\] must be floating point of shape'):
        multi_level_roi_align([feats[0], feats[1].int()], rois, (3, 3), (4, 8))
