import importlib

import pytest
import torch

from pedsearch.ops import deform_roi_pool, multi_level_roi_align, native_library, roi_pool

from .. import plain_roi_pool


def test_results_do_not_depend_on_the_number_of_threads():
    generator = torch.Generator().manual_seed(0)
    rois = plain_roi_pool.random_rois(200, 240, 320, 2, generator).float()  # more than a backward pass takes at once
    feats = torch.randn(2, 100, 15, 20, generator=generator, requires_grad=True)
    offsets = torch.randn(len(rois), 2, 7, 3, generator=generator, requires_grad=True)
    grad = torch.randn(len(rois), 100, 7, 3, generator=generator)

    def run():
        pooled = deform_roi_pool(feats, rois, offsets, (7, 3), 1 / 16)
        return [pooled, *torch.autograd.grad(pooled, (feats, offsets), grad)]

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run()
        torch.set_num_threads(4)
        for some, others in zip(alone, run()):
            assert torch.equal(some, others)
    finally:
        torch.set_num_threads(before)


def test_only_what_is_asked_for_is_computed():
    feats, offsets = torch.randn(1, 3, 6, 6), torch.zeros(1, 2, 2, 2)
    rois = torch.tensor([[0., 0, 0, 4, 4]])
    assert not deform_roi_pool(feats, rois, offsets, (2, 2)).requires_grad
    pooled = deform_roi_pool(feats, rois.requires_grad_(), offsets.requires_grad_(), (2, 2))
    pooled.sum().backward()
    assert rois.grad is None


@pytest.mark.skipif(native_library(torch.device('cpu')) is None, reason='needs built CPU kernels')
def test_few_rois_on_large_maps_are_left_to_the_library(monkeypatch):
    """The maps would be laid out anew for them; 12 x 12 and 6 x 6 pixels are 180, 5 bins of 1 RoI are worth 60."""
    calls = []
    module = importlib.import_module('pedsearch.ops.multi_level_roi_align')
    monkeypatch.setattr(module, 'roi_pool', lambda *args: calls.append(1) or roi_pool.roi_pool(*args))
    monkeypatch.setattr(roi_pool, '_PIXELS_PER_BIN', 12)
    feats = [torch.randn(1, 3, size, size, requires_grad=True) for size in (12, 6)]

    def num_calls(num_rois):
        calls.clear()
        multi_level_roi_align(feats, torch.tensor([[0., 1, 2, 30, 40]]).repeat(num_rois, 1), (5, 1), (4, 8))
        return len(calls)

    assert num_calls(2) == 1  # the gradient is worth it
    with torch.no_grad():
        assert [num_calls(num) for num in (0, 2, 3)] == [0, 0, 1]
