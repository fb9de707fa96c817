"""Contrast of one positive similarity with many negative ones.

Shape legend: B samples, K negatives of each.
"""

import torch
from torch import Tensor


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
