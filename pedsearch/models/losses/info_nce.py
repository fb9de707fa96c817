"""Contrast of one positive similarity with many negative ones.

Shape legend: B samples, K negatives of each, N samples of all processes, D embedding dimensions.
"""

import torch
from mmengine.dist import get_rank
from torch import Tensor

from .process_rows import gather_rows
from .reduction import mean_across_processes


def info_nce(positive: Tensor, negatives: Tensor, temperature: float, keep: Tensor | None = None) -> Tensor:
    r"""InfoNCE of every sample, :math:`-\log\big(e^{p/\tau} / (e^{p/\tau} + \sum_k e^{n_k/\tau})\big)`.

    Args:
        positive (Tensor): (B,) similarities.
        negatives (Tensor): (B, K) similarities.
        temperature (float): > 0.
        keep (Tensor, optional): (B, K) bool, which negatives count; None: all.

    Returns:
        Tensor: (B,) in at least float32, 0 for a sample without negatives.

    Source: van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018. Deviation: none.

    Example:
        >>> round(info_nce(torch.tensor([.8]), torch.tensor([[.5, .2]]), temperature=1.).item(), 4)
        0.8284
    """
    dtype = torch.promote_types(positive.dtype, torch.float32)
    logits = (negatives.to(dtype) - positive.to(dtype)[:, None]) / temperature  # (B, K)
    if keep is not None:
        logits = logits.masked_fill(~keep, -torch.inf)
    none = logits.new_zeros(len(logits), 1)
    return torch.cat([none, logits], dim=1).logsumexp(dim=1)


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE between two views of every sample, each of which seeks the other among all views of the batch.

    Both views are anchors; the negatives of a view are the 2 N - 2 views of other samples, on all processes.

    Args:
        first, second (Tensor): (B, D) unit rows; row i of both is of the same sample.
        temperature (float): > 0.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes; 0 for one sample.

    Raises:
        ValueError: wrong shapes.

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020, eq. 1
    (SimCLR). Deviation: none.

    Example:
        >>> first, second = torch.tensor([[1., 0.], [0., 1.]]), torch.tensor([[.8, .6], [.6, .8]])
        >>> round(nt_xent(first, second, temperature=0.5).item(), 6)
        0.870714
    """
    if first.ndim != 2 or second.shape != first.shape:
        raise ValueError(f'both views must have one shape (B, D), got {tuple(first.shape)} and {tuple(second.shape)}')
    place = torch.arange(len(first), device=first.device)
    rank = torch.full_like(place, get_rank())
    *views, places, ranks = gather_rows(first, second, place, rank)
    candidates = torch.cat(views)  # (2 N, D)
    others = ((place[:, None] != places) | (rank[:, None] != ranks)).repeat(1, 2)  # (B, 2 N), views of other samples
    positive = (first * second).sum(dim=1)
    terms = [info_nce(positive, anchors @ candidates.T, temperature, others) for anchors in (first, second)]
    return mean_across_processes(torch.cat(terms).sum(), 2 * len(first))
