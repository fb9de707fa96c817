"""Distances between the people of a batch, and between people and background.

Shape legend: R rows of this process, N rows of all processes, D embedding dimensions.
"""

import torch
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .process_rows import gather_rows
from .reduction import mean_across_processes
from .triplet import euclidean_dist, hardest_distances


def context_quadruplet_loss(embed: Tensor, labels: Tensor, *, margin: float = 0.3, background_weight: float = 0.25,
                            skip_single_label: bool = True) -> Tensor:
    """Batch-hard triplets of people, and people against background.

    loss = mean over people of ``max(0, d_ap - d_an + margin)`` + background_weight * mean over people of
    ``max(0, d_af - d_ab + margin)``, with the distances of a person to the farthest row of its own label (itself
    included), to the nearest person of another label, to the farthest person of any label and to the nearest
    background.

    Args:
        embed (Tensor): (R, D).
        labels (Tensor): (R,) integers; below 0 for background.
        margin (float): of both parts.
        background_weight (float): of the second part, which is 0 where there is no background.
        skip_single_label (bool): 0 where all people have one label. Otherwise only the first part lacks people without
            a negative.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes, whose rows are
        all compared; 0 with a graph where nothing is.

    Raises:
        TypeError: labels that are no integers.
        ValueError: wrong shapes.

    Source: Yan et al., "Exploring Visual Context for Weakly Supervised Person Search", AAAI 2022, and the released
    code.
    Deviation: none with ``skip_single_label``, except that a batch without background has no second part instead of an
    error, and that of equally hard rows each gets its share of the gradient.

    Example:
        >>> embed = torch.tensor([[1., 0.], [.8, .6], [0., 1.], [0., -1.]])
        >>> context_quadruplet_loss(embed, torch.tensor([5, 5, 9, -2]))
        tensor(0.0377)
    """
    _check(embed, labels)
    embed = embed.to(torch.promote_types(embed.dtype, torch.float32))  # gradients are added up over processes
    all_embed, all_labels = gather_rows(embed, labels)
    if not len(all_labels):
        return mean_across_processes(embed.sum(), 0)
    person, all_person = labels >= 0, all_labels >= 0  # (R,), (N,)
    same = labels[:, None] == all_labels  # (R, N)
    other = ~same & all_person
    dist = euclidean_dist(embed, all_embed)

    d_ap, d_an = hardest_distances(dist, same, other)
    d_af, d_ab = hardest_distances(dist, all_person.expand_as(dist), ~all_person.expand_as(dist))
    has_negative = person & other.any(dim=1)
    first = _mean_excess(d_ap - d_an + margin, has_negative)
    if skip_single_label:
        lowest = all_labels.masked_fill(~all_person, torch.iinfo(all_labels.dtype).max).amin()
        person = person & (all_labels.amax() > lowest)
    return first + background_weight * _mean_excess(d_af - d_ab + margin, person)


def _mean_excess(excess: Tensor, counted: Tensor) -> Tensor:
    """Mean over the counted of all processes of what is above 0; both (R,)."""
    return mean_across_processes(excess.masked_fill(~counted, 0).relu().sum(), counted.sum())


def _check(embed: Tensor, labels: Tensor) -> None:
    if embed.ndim != 2 or labels.shape != embed.shape[:1]:
        raise ValueError(f'embed must have shape (R, D) and labels (R,), got {tuple(embed.shape)} and '
                         f'{tuple(labels.shape)}; give background rows a label below 0')
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f'labels must be integers, got {labels.dtype}; they are cluster numbers, below 0 for '
                        'background')


@MODELS.register_module()
class ContextQuadrupletLoss(nn.Module):
    """:func:`context_quadruplet_loss` of embeddings and labels.

    Args:
        margin: of both parts.
        background_weight: of people against background.
        skip_single_label: 0 where all people have one label.
    """

    def __init__(self, margin: float = 0.3, background_weight: float = 0.25, skip_single_label: bool = True) -> None:
        super().__init__()
        self.margin = margin
        self.background_weight = background_weight
        self.skip_single_label = skip_single_label

    def forward(self, embed: Tensor, labels: Tensor) -> Tensor:
        """Embeddings (R, D), labels (R,) -> ()."""
        return context_quadruplet_loss(embed, labels, margin=self.margin, background_weight=self.background_weight,
                                       skip_single_label=self.skip_single_label)
