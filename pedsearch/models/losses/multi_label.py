"""Binary cross entropy of many attributes, some of them unknown.

Shape legend: B images of this process, A attributes.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .reduction import mean_across_processes

UNKNOWN = -1
WEIGHTINGS = ('deepmar', 'jlac', 'jlac-root', 'none')


def attribute_weights(targets: Tensor, positive_rates: Tensor, weighting: str = 'deepmar') -> Tensor:
    """Weight of every label: the rarer what it says, the more.

    With the rate r of an attribute, for positives and negatives: 'deepmar' ``exp(1 - r)`` and ``exp(r)``; 'jlac'
    ``sqrt(1 / (2 r))`` and ``sqrt(1 / (2 (1 - r)))``, 'jlac-root' the same with ``sqrt(r)`` for r; 'none' 1. An
    unknown label weighs 0.

    Args:
        targets (Tensor): (B, A) of 1, 0 and -1, unknown.
        positive_rates (Tensor): (A,) share of positives among the known labels of the training set.
        weighting (str): see above.

    Returns:
        Tensor: (B, A) float32.

    Source: Li et al., "Multi-attribute Learning for Pedestrian Attribute Recognition in Surveillance Scenarios", ACPR
    2015 (DeepMAR, sigma 1); Tan et al., "Relation-Aware Pedestrian Attribute Recognition with Graph Convolutional
    Networks", AAAI 2020 (JLAC). Deviation: none.
    """
    rates = positive_rates.float()
    if weighting == 'none':
        positive = negative = torch.ones_like(rates)
    elif weighting == 'deepmar':
        positive, negative = (1 - rates).exp(), rates.exp()
    else:
        rates = (rates.sqrt() if weighting == 'jlac-root' else rates).clamp(1e-4, 1 - 1e-4)
        positive, negative = (2 * rates).rsqrt(), (2 - 2 * rates).rsqrt()
    return torch.where(targets == 1, positive, negative) * (targets != UNKNOWN)


@MODELS.register_module()
class MultiLabelBCELoss(nn.Module):
    """Weighted binary cross entropy over the labels that are known.

    Args:
        weighting: of :func:`attribute_weights`; anything but 'none' needs the rates.
        positive_rates: A shares of positives in the training set; None: ``PositiveRatesHook`` sets them.
        reduction: 'sum': over attributes, then the mean over images; 'mean': over all known labels.

    State:
        positive_rates (A,) float32; A = 0 while not known. Set by ``PositiveRatesHook``.
    """

    def __init__(self, weighting: str = 'deepmar', positive_rates: list[float] | None = None,
                 reduction: str = 'mean') -> None:
        super().__init__()
        if weighting not in WEIGHTINGS:
            raise ValueError(f'weighting must be one of {", ".join(map(repr, WEIGHTINGS))}, got {weighting!r}')
        if reduction not in ('sum', 'mean'):
            raise ValueError(f"reduction must be 'sum' or 'mean', got {reduction!r}")
        self.weighting = weighting
        self.reduction = reduction
        self.register_buffer('positive_rates', torch.tensor(positive_rates or [], dtype=torch.float32))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Loss () of logits (B, A) and targets (B, A) of 1, 0 and -1, as this process' share of the mean.

        Raises:
            ValueError: shapes do not fit, or the rates are not known.
        """
        if logits.ndim != 2 or targets.shape != logits.shape:
            raise ValueError(f'logits and targets must have one shape (B, A), got {tuple(logits.shape)} and '
                             f'{tuple(targets.shape)}; give as many outputs as the schema has attributes')
        rates = self.positive_rates
        if self.weighting == 'none':
            rates = rates.new_zeros(targets.size(1))
        elif len(rates) != targets.size(1):
            raise ValueError(f'positive_rates must have {targets.size(1)} values, one an attribute, got {len(rates)}; '
                             "take them from the training set (dataset.positive_rates) or set weighting='none'")
        known = targets != UNKNOWN
        terms = F.binary_cross_entropy_with_logits(logits.float(), targets.clamp(min=0).float(), reduction='none')
        total = (attribute_weights(targets, rates, self.weighting) * terms).sum()
        return mean_across_processes(total, known.sum() if self.reduction == 'mean' else len(targets))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        stored = state_dict.get(f'{prefix}positive_rates')
        if stored is not None and not len(self.positive_rates):
            self.positive_rates = self.positive_rates.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)
