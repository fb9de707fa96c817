"""Circle loss with classes as references.

Shape legend: B rows, N classes.
"""

import torch
from torch import Tensor

from .process_rows import check_labeled_rows


def circle_logits(sims: Tensor, labels: Tensor, scale: float = 64., margin: float = 0.35) -> Tensor:
    r"""Logits whose cross entropy is the circle loss.

    :math:`\gamma \max(0, 1 + m - s_y) (s_y - 1 + m)` for the label and :math:`\gamma \max(0, s_j + m) (s_j - m)` for
    each other class. The first factors are weights and carry no gradient.

    Args:
        sims (Tensor): (B, N) cosines of embeddings and classes, computed in float32 at least.
        labels (Tensor): (B,) int64 in 0...N-1.
        scale (float): gamma, > 0.
        margin (float): m, in [0, 1].

    Returns:
        Tensor: (B, N).

    Raises:
        TypeError: labels that are no integers.
        ValueError: wrong shapes, or labels outside 0...N-1.

    Source: Sun et al., "Circle Loss: A Unified Perspective of Pair Similarity Optimization", CVPR 2020, eq. 5, 6 and 9.
    Deviation: none.

    Example:
        >>> circle_logits(torch.tensor([[.5, .25]]), torch.tensor([0]), scale=4., margin=.25)
        tensor([[-0.7500,  0.0000]])
    """
    check_labeled_rows(sims, labels, sims.size(-1))
    sims = sims.to(torch.promote_types(sims.dtype, torch.float32))
    own = torch.zeros_like(sims, dtype=torch.bool).scatter_(1, labels[:, None], True)
    fixed = sims.detach()
    positive = (1 + margin - fixed).relu() * (sims - 1 + margin)
    negative = (fixed + margin).relu() * (sims - margin)
    return scale * torch.where(own, positive, negative)
