"""Agreement of two branches that embed the same people.

Shape legend: n rows of this process, N rows of all processes, D embedding dimensions.
"""

import torch
from torch import Tensor

from .process_rows import gather_rows
from .reduction import mean_across_processes

REDUCTIONS = ('element', 'row')


def branch_similarity_loss(search: Tensor, instance: Tensor) -> Tensor:
    """One minus the cosine between the embeddings of the two branches.

    loss = mean over rows i of ``1 - search_i . instance_i``. The gradient goes to both.

    Args:
        search (Tensor): (n, D), L2-normalised, of the scene's regions.
        instance (Tensor): (n, D), L2-normalised, of the crops of the people that the regions show.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes; 0 with a graph
        without rows.

    Raises:
        ValueError: wrong shapes.

    Source: Wang et al., "Deep Intra-Image Contrastive Learning for Weakly Supervised One-Step Person Search", Pattern
    Recognition 2024, and the released code.
    Deviation: 0 without rows, where the released code divides by zero.

    Example:
        >>> branch_similarity_loss(torch.tensor([[1., 0.], [.8, .6]]), torch.tensor([[1., 0.], [1., 0.]]))
        tensor(0.1000)
    """
    search, instance = _matching_rows(search, instance)
    return mean_across_processes((1 - (search * instance).sum(dim=1)).sum(), len(search))


def branch_consistency_loss(search: Tensor, instance: Tensor, *, reduction: str = 'element') -> Tensor:
    """How differently the two branches see the similarities between all rows.

    loss = mean of ``(A - B) (ln A - ln B)`` with ``A = softmax(P P^T)`` and ``B = softmax(Q Q^T)`` row by row, P and Q
    the embeddings of the search and the instance branch of all processes: the symmetric Kullback-Leibler divergence.
    The gradient goes to both.

    Args:
        search (Tensor): (n, D), L2-normalised.
        instance (Tensor): (n, D), L2-normalised.
        reduction (str): 'element', the mean over all N x N elements, which shrinks with N, or 'row', over the N rows.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes; 0 with a graph
        without rows.

    Raises:
        ValueError: wrong shapes or another reduction.

    Source: as :func:`branch_similarity_loss`. Deviation: none; with 'row', the mean that the divergence is named after.

    Example:
        >>> branch_consistency_loss(torch.eye(2), torch.tensor([[1., 0.], [1., 0.]]), reduction='row')
        tensor(0.2311)
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f'reduction must be one of {", ".join(REDUCTIONS)}, got {reduction!r}')
    search, instance = _matching_rows(search, instance)
    all_search, all_instance = gather_rows(search, instance)
    with torch.autocast(search.device.type, enabled=False):
        log_a = (search @ all_search.T).log_softmax(dim=1)  # (n, D) @ (D, N) -> (n, N)
        log_b = (instance @ all_instance.T).log_softmax(dim=1)
    total = ((log_a.exp() - log_b.exp()) * (log_a - log_b)).sum()
    return mean_across_processes(total, log_a.numel() if reduction == 'element' else len(log_a))


def _matching_rows(search: Tensor, instance: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32 at least."""
    if search.ndim != 2 or search.shape != instance.shape:
        raise ValueError(f'search and instance must have one shape (n, D), got {tuple(search.shape)} and '
                         f'{tuple(instance.shape)}; pass the instance embedding of each search row, repeated')
    dtype = torch.promote_types(torch.promote_types(search.dtype, instance.dtype), torch.float32)
    return search.to(dtype), instance.to(dtype)
