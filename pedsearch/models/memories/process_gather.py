"""Collects rows from all processes in the order in which one process would have seen them."""

import torch
from mmengine.dist import all_gather, get_rank, get_world_size
from torch import Tensor


def gather_in_sample_order(sample_inds: Tensor, *rows: Tensor) -> tuple[Tensor, ...]:
    """Gather rows of unequal number from every process, ordered by their sample's place in the global batch.

    Process r of W holds the samples r, r + W, r + 2W, ... of a global batch, as mmengine's samplers and
    :class:`~pedsearch.datasets.EpochSampler` deal them. Rows of one sample keep their order.

    Args:
        sample_inds (Tensor): (B,) int64, index of each row's sample in this process' batch, not decreasing.
        *rows (Tensor): (B, ...) each.

    Returns:
        tuple[Tensor, ...]: each (sum of B over processes, ...); the rows themselves where there is one process.
    """
    world_size = get_world_size()
    if world_size == 1:
        return rows
    places, *gathered = gather_in_rank_order(sample_inds * world_size + get_rank(), *rows)
    order = places.argsort(stable=True)
    return tuple(row[order] for row in gathered)


def gather_in_rank_order(*rows: Tensor) -> tuple[Tensor, ...]:
    """Gather rows of unequal number from every process, those of rank 0 first.

    That is the order of the global batch where each process holds a contiguous chunk of it, as pedsearch's samplers of
    labelled batches deal them.

    Args:
        *rows (Tensor): (B, ...) each, of equal B on one process.

    Returns:
        tuple[Tensor, ...]: each (sum of B over processes, ...); the rows themselves where there is one process.
    """
    if get_world_size() == 1:
        return rows
    sizes = [int(size) for size in all_gather(torch.tensor([len(rows[0])], device=rows[0].device))]
    return tuple(_gather_padded(row, sizes) for row in rows)


def _gather_padded(row: Tensor, sizes: list[int]) -> Tensor:
    padded = row.new_zeros((max(sizes), *row.shape[1:]))
    padded[:len(row)] = row
    return torch.cat([part[:size] for part, size in zip(all_gather(padded), sizes)])
