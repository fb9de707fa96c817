"""Labelled rows: what losses demand of them, and the rows of all processes with their gradient.

Shape legend: B rows of this process' batch, D feature dimensions.
"""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dist import all_gather, all_reduce, get_rank, get_world_size
from torch import Tensor


def check_labeled_rows(feats: Tensor, labels: Tensor, num_classes: int | None = None) -> None:
    """Raise where features (B, D) and labels (B,) do not belong together.

    Raises:
        TypeError: labels that are no integers.
        ValueError: wrong shapes, or labels outside 0...num_classes - 1 (or negative, with None).
    """
    if feats.ndim != 2 or labels.shape != feats.shape[:1]:
        raise ValueError(f'feats must have shape (B, D) and labels (B,), got {tuple(feats.shape)} and '
                         f'{tuple(labels.shape)}')
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f'labels must be integers, got {labels.dtype}')
    if len(labels) and (labels.min() < 0 or (num_classes is not None and labels.max() >= num_classes)):
        allowed = '>= 0' if num_classes is None else f'in 0...{num_classes - 1}'
        raise ValueError(f'labels must be {allowed}, got {int(labels.min())}...{int(labels.max())}; leave unlabelled '
                         'rows out and take num_classes from the training set (`dataset.num_ids`)')


def gather_rows(*rows: Tensor) -> tuple[Tensor, ...]:
    """Rows of all processes, those of rank 0 first, with their gradient.

    Backward adds up what every process sends to a row, so a loss that averages over processes (see
    :func:`~pedsearch.models.losses.mean_across_processes`) has the gradient of one process with the whole batch.

    Args:
        *rows (Tensor): (B, ...) each, of equal B on one process; B may differ between processes.

    Returns:
        tuple[Tensor, ...]: each (sum of B over processes, ...); the rows themselves where there is one process.
    """
    if get_world_size() == 1:
        return rows
    sizes = [int(size) for size in all_gather(torch.tensor([len(rows[0])], device=rows[0].device))]
    return tuple(_GatherRows.apply(row, sizes) for row in rows)


@torch.no_grad()
def apply_to_dealt_rows(function: Callable[[Tensor], Tensor], rows: Tensor, num_groups: int) -> Tensor:
    """Apply a function to rows dealt out like cards to the groups of the global batch, and sort the results.

    Where batch norm normalises contiguous groups apart from each other, every group then has rows of all groups, and a
    result does not share its statistics with what the function's twin makes of the same rows in their own order.

    Args:
        function (Callable): (B, ...) -> (B, ...), row by row but for statistics.
        rows (Tensor): (B, ...), of equal B on all processes.
        num_groups (int): of the batch of all processes, whose size is a multiple of it.

    Returns:
        Tensor: results of the rows in the order of the rows, without gradient.

    Raises:
        ValueError: groups would be unequal.

    Example:
        >>> apply_to_dealt_rows(lambda rows: rows.cumsum(0), torch.tensor([1, 2, 3, 4]), num_groups=2)
        tensor([ 1,  6,  4, 10])

    Source: the shuffle of He et al., CVPR 2020 (MoCo), section 3.3. Deviation: the order is always the same; the rows
    are what samplers shuffle.
    """
    everything, = gather_rows(rows)
    if len(everything) % num_groups:
        raise ValueError(f'the batch of all processes must be a multiple of {num_groups}, got {len(everything)} rows; '
                         'change the batch size (and drop incomplete batches)')
    order = torch.arange(len(everything), device=rows.device).view(num_groups, -1).T.flatten()
    own = slice(get_rank() * len(rows), (get_rank() + 1) * len(rows))
    dealt, = gather_rows(function(everything[order[own]]))
    return torch.empty_like(dealt).index_copy_(0, order, dealt)[own]


class _GatherRows(torch.autograd.Function):

    @staticmethod
    def forward(ctx: Any, row: Tensor, sizes: list[int]) -> Tensor:
        ctx.sizes = sizes
        padded = row.new_zeros((max(sizes), *row.shape[1:]))
        padded[:len(row)] = row
        return torch.cat([part[:size] for part, size in zip(all_gather(padded), sizes)])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.clone(memory_format=torch.contiguous_format)
        all_reduce(grad)
        return grad.split(ctx.sizes)[get_rank()], None
