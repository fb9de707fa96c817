"""The smallest values of each row.

Shape legend: b rows, G columns.
"""

import torch
from torch import Tensor

from .native import native_library


def smallest_per_row(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k smallest values of each row, in no particular order; which of several equal ones is not defined.

    Args:
        values: (b, G) float32 without NaN.
        k: in 1...G.

    Returns:
        tuple[Tensor, Tensor]: (b, k) float32 values and (b, k) int64 columns.

    Source: own.
    """
    library = native_library(values.device) if values.device.type == 'cpu' else None
    if library is None:
        return torch.topk(values, k, dim=1, largest=False, sorted=False)
    smallest = values.new_empty(len(values), k)
    indices = torch.empty(len(values), k, dtype=torch.int64)
    library.call('smallest_per_row', values.contiguous(), len(values), values.shape[1], k, smallest, indices)
    return smallest, indices
