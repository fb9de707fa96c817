"""Maps to vectors.

Shape legend: R rows (regions of interest or images), C channels.
"""

import torch.nn.functional as F
from torch import Tensor


def global_max_pool(x: Tensor) -> Tensor:
    """(R, C, h, w) -> (R, C)."""
    return F.adaptive_max_pool2d(x, 1).flatten(1)
