"""Appearance codes: what a person looks like in horizontal stripes.

Shape legend: B images, C channels, h x w positions of a map, P stripes.
"""

import torch.nn.functional as F
from torch import Tensor


def part_codes(maps: Tensor, num_parts: int = 4) -> Tensor:
    """Mean of every horizontal stripe of a map.

    Args:
        maps (Tensor): (B, C, h, w).
        num_parts (int): P.

    Returns:
        Tensor: (B, C, P), the top stripe first.

    Example:
        >>> import torch
        >>> part_codes(torch.tensor([1., 2., 3., 5.]).view(1, 1, 4, 1), num_parts=2).tolist()
        [[[1.5, 4.0]]]
    """
    return F.adaptive_avg_pool2d(maps, (num_parts, 1)).squeeze(3)
