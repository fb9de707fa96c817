"""Cross entropy whose targets keep some mass for the other classes.

Shape legend: B rows of this process' batch, C classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .process_rows import check_labeled_rows
from .reduction import mean_across_processes

SPREADS = ('all', 'others')


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.1, spread: str = 'all') -> Tensor:
    """Cross entropy against smoothed targets.

    With 'all' the targets are ``1 - e + e / C`` for the label and ``e / C`` for each other class; with 'others'
    ``1 - e`` and ``e / (C - 1)``, which is 'all' with ``e C / (C - 1)``.

    Args:
        logits (Tensor): (B, C), computed in float32 at least.
        labels (Tensor): (B,) int64 in 0...C-1.
        smoothing (float): e.
        spread (str): 'all' or 'others'.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

    Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7; 'others'
    is fast-reid's form. Deviation: fast-reid divides by the number of rows whose loss is not 0.
    """
    num_classes = logits.size(-1)
    check_labeled_rows(logits, labels, num_classes)
    if spread == 'others':
        smoothing *= num_classes / max(num_classes - 1, 1)
    with torch.autocast(logits.device.type, enabled=False):
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        total = F.cross_entropy(logits, labels.long(), reduction='sum', label_smoothing=smoothing)
    return mean_across_processes(total, len(labels))


@MODELS.register_module()
class SmoothedCrossEntropyLoss(nn.Module):
    """:func:`smoothed_cross_entropy` of logits and labels.

    Args:
        smoothing: mass taken from the label, in [0, 0.5].
        spread: 'all', over all classes, or 'others', over all but the label's.
    """

    def __init__(self, smoothing: float = 0.1, spread: str = 'all') -> None:
        super().__init__()
        if not 0 <= smoothing <= 0.5:
            raise ValueError(f'smoothing must lie in [0, 0.5], got {smoothing}; 0.1 is usual')
        if spread not in SPREADS:
            raise ValueError(f'spread must be one of {", ".join(SPREADS)}, got {spread!r}')
        self.smoothing = smoothing
        self.spread = spread

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Logits (B, C), labels (B,) -> ()."""
        return smoothed_cross_entropy(logits, labels, self.smoothing, self.spread)
