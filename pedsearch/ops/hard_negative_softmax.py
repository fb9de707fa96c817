"""Softmax losses against the most similar wrong classes, and their gradients.

Shape legend: B samples, K classes.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .native import native_library

EQUALLY_NEAR = 1e-6  # far above the rounding of an exponential, far below the share of one of thousands of classes


@torch.no_grad()
def hardest_negatives(logits: Tensor, labels: Tensor, top_percent: float) -> Tensor:
    """The most similar wrong classes that together hold about a part of the probability of all wrong ones.

    With the wrong classes in the order of falling probability and ``c_r`` the sum of the first r, r is where ``c_r`` is
    nearest to ``top_percent`` (of two that are equally near up to a millionth the first); that class, all before it and
    all equal to it are kept.

    Args:
        logits (Tensor): (B, K); -inf for classes that do not exist.
        labels (Tensor): (B,) int64, right classes.
        top_percent (float): in (0, 1].

    Returns:
        Tensor: (B, K) bool. At least one existing wrong class is among them where there is one.

    Source: Yan et al., "Exploring Visual Context for Weakly Supervised Person Search", AAAI 2022, and the released
    code.
    Deviation: the class at r is kept by comparing its logit with itself. The released code compares after another
    rounding, which drops that class now and then. At 1 all are kept, not all up to the rounding of ``c``.

    Example:
        >>> hardest_negatives(torch.tensor([[.1, .35, .3, .2, .15]]).log(), torch.tensor([0]), .6)
        tensor([[False,  True,  True, False, False]])
    """
    costs = (-logits).scatter_(1, labels[:, None], torch.inf)  # infinite for what is no negative
    if top_percent == 1:
        return costs < torch.inf
    rising = _sorted_values(costs)
    least = rising[:, :1].nan_to_num(posinf=0.)  # without any negative all are infinite
    shares = (least - rising).exp_().cumsum(dim=1, dtype=torch.float64)
    shares /= shares[:, -1:].clone()
    after = (shares < top_percent).sum(dim=1, keepdim=True)
    before = (after - 1).clamp_(min=0)
    closer = top_percent - shares.gather(1, before) <= shares.gather(1, after) - top_percent + EQUALLY_NEAR
    return (costs <= rising.gather(1, torch.where(closer, before, after))) & (costs < torch.inf)


def _sorted_values(rows: Tensor) -> Tensor:
    if rows.device.type != 'cpu':
        return rows.sort(dim=1).values
    return torch.from_numpy(np.sort(rows.numpy(), axis=1))  # vector instructions: 20 times as fast as torch


@torch.no_grad()
def hard_negative_softmax(logits: Tensor, labels: Tensor, top_percent: float = 0.6, eps: float = 1e-6, *,
                          overwrite: bool = False) -> tuple[Tensor, Tensor]:
    """Softmax losses of samples over the right class and its :func:`hardest_negatives`, with their gradients.

    ``-log(p + eps)`` with ``p = e+ / (e+ + sum of kept e + eps)`` and ``e`` the exponentials of the logits, computed
    from logarithms, so that no logit is too large. Which negatives are kept has no gradient. The kernels do not sort,
    and read a row a few times where operators of torch would pass over the matrix a few dozen times. They add up
    single-precision exponentials in double precision, in another order, so they may keep one class more or less than
    the reference where a sum is just as near as not, to the rounding of an exponential.

    Args:
        logits (Tensor): (B, K) float32 or float64; -inf for classes that do not exist.
        labels (Tensor): (B,) int64 in 0...K-1, right classes.
        top_percent (float): in (0, 1].
        eps (float): >= 0. 0 is the plain log-softmax; above, a loss is at most ``-log(eps)`` and samples that are very
            wrong have little gradient.
        overwrite (bool): whether the gradient may take the place of the logits.

    Returns:
        tuple[Tensor, Tensor]: losses (B,), and the derivatives (B, K) of each by the logits of its row. Both NaN for
        rows with a NaN or an infinite logit.

    Raises:
        ValueError: on other shapes, types or settings, or a label out of range (looked for on the CPU only).

    Source: as :func:`hardest_negatives`. Deviation: none.

    Example:
        >>> hard_negative_softmax(torch.tensor([[0., 0., -9.]]), torch.tensor([0]), eps=0)
        (tensor([0.6931]), tensor([[-0.5000,  0.5000,  0.0000]]))
    """
    _check(logits, labels, top_percent, eps)
    library, log_eps = native_library(logits.device), math.log(eps) if eps else -math.inf
    if not logits.numel():
        return logits.new_zeros(len(logits)), torch.zeros_like(logits)
    if library is None:
        return _reference(logits, labels, top_percent, log_eps)
    gradients = logits if overwrite and logits.is_contiguous() else logits.clone(memory_format=torch.contiguous_format)
    losses = logits.new_empty(len(logits))
    library.call('hard_negative_softmax', gradients, *logits.shape, int(logits.dtype == torch.float32),
                 labels.contiguous(), float(top_percent), log_eps, EQUALLY_NEAR, losses)
    return losses, gradients


def _reference(logits: Tensor, labels: Tensor, top_percent: float, log_eps: float) -> tuple[Tensor, Tensor]:
    kept = hardest_negatives(logits, labels, top_percent)
    high = logits.amax(dim=1, keepdim=True)  # (B, 1), as all that is no matrix below
    logits, log_eps = logits - high, torch.full_like(high, log_eps)  # all NaN where a NaN is
    right = logits.gather(1, labels[:, None])
    others = logits.masked_fill(~kept, -torch.inf).logsumexp(dim=1, keepdim=True).logaddexp(log_eps - high)
    total = right.logaddexp(others)
    log_weight = F.logsigmoid(right - total - log_eps)  # of p / (p + eps)
    gradients = (logits - total + log_weight).exp_().masked_fill_(~kept, 0)
    gradients.scatter_(1, labels[:, None], -(others - total + log_weight).exp_())
    return -(right - total).logaddexp(log_eps).squeeze(1), gradients


def _check(logits: Tensor, labels: Tensor, top_percent: float, eps: float) -> None:
    """A kernel reads and writes where the labels point."""
    if logits.ndim != 2 or logits.dtype not in (torch.float32, torch.float64):
        raise ValueError(f'logits must have shape (B, K) and be float32 or float64, got {tuple(logits.shape)} '
                         f'{logits.dtype}')
    if labels.shape != logits.shape[:1] or labels.dtype != torch.int64 or labels.device != logits.device:
        raise ValueError(f'labels must be ({len(logits)},) int64 on {logits.device}, got {tuple(labels.shape)} '
                         f'{labels.dtype} on {labels.device}; one class a row')
    if not 0 < top_percent <= 1 or not eps >= 0:
        raise ValueError(f'top_percent must lie in (0, 1] and eps be >= 0, got {top_percent} and {eps}')
    if labels.device.type == 'cpu' and len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f'labels must lie in 0...{logits.shape[1] - 1}, got {labels.min()}...{labels.max()}; '
                         'number the classes as the columns of the logits')
