"""Expanded k-reciprocal neighbour sets.

Shape legend: N points, K entries per neighbour list, k and h entries used, E members of all sets.
"""

import torch
from torch import Tensor

from .native import native_library
from .sparse_rows import exclusive_sum

_VALUES_PER_CHUNK = 2**24


def reciprocal_sets(neighbours: Tensor, k: int, k_half: int) -> tuple[Tensor, Tensor]:
    """For each point the neighbours that have it among their own neighbours, and close friends of those.

    ``R(i, k)`` holds the j among the first k entries of list i that have i among theirs. The set of i is ``R(i, k)``
    and every ``R(c, h)``, c in ``R(i, k)``, of which more than two thirds lie in ``R(i, k)``.

    Args:
        neighbours: (N, K) int32, the nearest first, each list with the point itself; no list repeats an entry.
        k: entries that count, at most K.
        k_half: h, entries that count for the close friends, at most K.

    Returns:
        tuple[Tensor, Tensor]: (N + 1,) int64 starts and (E,) int32 members, rising within each set.

    Source: Zhong et al., "Re-ranking Person Re-identification with k-reciprocal Encoding", CVPR 2017, eq. 2-5.
    Deviation: none; k and h count the point itself.
    """
    neighbours = neighbours.contiguous()
    library = native_library(neighbours.device)
    if library is None:
        return _reference(neighbours, k, k_half)
    num_points, stride = neighbours.shape
    counts = torch.empty(num_points, dtype=torch.int64, device=neighbours.device)
    library.call('reciprocal_sets', neighbours, num_points, stride, k, k_half, counts, None)
    starts = exclusive_sum(counts)
    members = torch.empty(starts[-1].item(), dtype=torch.int32, device=neighbours.device)
    library.call('reciprocal_sets', neighbours, num_points, stride, k, k_half, starts, members)
    return starts, members


def _reference(neighbours: Tensor, k: int, k_half: int) -> tuple[Tensor, Tensor]:
    lists = neighbours.long()
    cores, halves = _reciprocal(lists[:, :k]), _reciprocal(lists[:, :k_half])  # (N, k), (N, h), -1 where not
    step = max(1, _VALUES_PER_CHUNK // (k * k_half * k))
    counts, members = [], []
    for core in cores.split(step):  # (b, k)
        half = halves[core.clamp(min=0)]  # (b, k, h)
        half = half.masked_fill((core < 0)[:, :, None], -1)
        overlap = ((half[..., None] == core[:, None, None, :]).any(dim=-1) & (half >= 0)).sum(dim=-1)  # (b, k)
        close = 3 * overlap > 2 * (half >= 0).sum(dim=-1)
        half = half.masked_fill(~close[:, :, None], -1)
        union = torch.cat([core, half.flatten(1)], dim=1).sort(dim=1).values  # (b, k + k h)
        first = union >= 0
        first[:, 1:] &= union[:, 1:] != union[:, :-1]
        counts.append(first.sum(dim=1))
        members.append(union[first].int())
    return exclusive_sum(torch.cat(counts)), torch.cat(members)


def _reciprocal(lists: Tensor) -> Tensor:
    """(N, k) lists with -1 in the place of every neighbour that does not have the point in its own list."""
    own = torch.arange(len(lists), device=lists.device)[:, None, None]
    step = max(1, _VALUES_PER_CHUNK // lists.shape[1]**2)
    mutual = [(lists[part] == index).any(dim=-1) for part, index in zip(lists.split(step), own.split(step))]
    return lists.masked_fill(~torch.cat(mutual), -1)
