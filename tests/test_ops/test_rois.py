import torch

from pedsearch.ops.rois import compute_dtype, stored_dtype, upright


def test_boxes_and_sums_are_never_half():
    expected = {torch.float64: torch.float64, torch.float32: torch.float32, torch.float16: torch.float32,
                torch.bfloat16: torch.float32, torch.uint8: torch.float32}
    assert {dtype: compute_dtype(dtype) for dtype in expected} == expected


def test_half_types_are_stored_as_they_are_on_cuda_only():
    for dtype in (torch.uint8, torch.float32, torch.float64):
        assert stored_dtype(torch.empty(1, dtype=dtype)) == dtype
    assert stored_dtype(torch.empty(1, dtype=torch.bfloat16)) == torch.float32
    assert stored_dtype(torch.empty(1, dtype=torch.float16)) == torch.float32


def test_upright():
    rois = torch.tensor([[1., 2, 3, 4, 5], [0, 9, 3, 4, 5], [0, 9, 8, 3, 2]])
    assert upright(rois).tolist() == [[1, 2, 3, 4, 5], [0, 9, 3, 9, 5], [0, 9, 8, 9, 8]]
