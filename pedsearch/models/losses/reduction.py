"""Averages whose value does not depend on how a batch is spread over processes."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor


def mean_across_processes(total: Tensor, count: int | Tensor) -> Tensor:
    """Average of terms spread over W processes, as this process' share of it.

    The value is ``W * total / (sum of count over processes)``. Data parallel training averages gradients over the W
    processes, so the gradient is that of the plain mean over all terms, however unevenly they are spread.

    Args:
        total (Tensor): () sum of this process' terms, with graph.
        count: number of this process' terms.

    Returns:
        Tensor: (), zero with a graph where no process has a term.

    Source: own. Deviation: reference codes divide by the local count.
    """
    if isinstance(count, Tensor):
        count = count.to(total.device, torch.float32, copy=True)
    else:
        count = torch.full((), count, dtype=torch.float32, device=total.device)  # a copy would wait for the device
    all_reduce(count, op='mean')
    return total / (count + (count == 0))
