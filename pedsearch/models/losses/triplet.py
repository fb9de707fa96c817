"""Triplet losses over the global batch.

Shape legend: B rows of this process' batch, D feature dimensions, A anchors (rows of this process), N rows of all
processes.
"""

import torch
import torch.nn.functional as F
from mmengine.dist import get_rank
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .process_rows import check_labeled_rows, gather_rows
from .reduction import mean_across_processes


def euclidean_dist(x: Tensor, y: Tensor) -> Tensor:
    """Distances (A, N) of rows (A, D) to rows (N, D), ``sqrt(max(|x|^2 + |y|^2 - 2 x y, 1e-12))``, in float32 at least.

    Equal rows have distance 1e-6 and no gradient, where the root has none.
    """
    with torch.autocast(x.device.type, enabled=False):
        dtype = torch.promote_types(x.dtype, torch.float32)
        x, y = x.to(dtype), y.to(dtype)
        squared = x.square().sum(dim=1, keepdim=True) + y.square().sum(dim=1) - 2 * x @ y.T
        return squared.clamp(min=1e-12).sqrt()


def hardest_distances(dist: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Largest distance (A,) to a positive and smallest (A,) to a negative; all arguments (A, N), two of them masks."""
    return (dist.masked_fill(~positives, -torch.inf).amax(dim=1), dist.masked_fill(~negatives, torch.inf).amin(dim=1))


def weighted_distances(dist: Tensor, positives: Tensor, negatives: Tensor,
                       stable: bool = True) -> tuple[Tensor, Tensor]:
    """Means (A,) of the distances to positives, far ones weighing more, and to negatives, near ones weighing more.

    The weights are ``softmax(dist)`` over the positives and ``softmax(-dist)`` over the negatives; without ``stable``
    as in the released code, see :func:`weighted_triplet_loss`.
    """
    if stable:
        far = dist.masked_fill(~positives, -torch.inf).softmax(dim=1)
        near = (-dist).masked_fill(~negatives, -torch.inf).softmax(dim=1)
    else:
        far, near = _released_weights(dist, positives), _released_weights(-dist, negatives)
    return (far * dist).sum(dim=1), (near * dist).sum(dim=1)


def _released_weights(scores: Tensor, chosen: Tensor) -> Tensor:
    """Softmax over the chosen, shifted by the largest score and 0, its denominator raised by 1e-6."""
    shift = (scores * chosen).amax(dim=1, keepdim=True)
    weights = (scores - shift).exp() * chosen
    return weights / (weights.sum(dim=1, keepdim=True) + 1e-6)


def batch_hard_triplet_loss(feats: Tensor, labels: Tensor, margin: float | None = 0.3) -> Tensor:
    """Farthest row of the same label (the anchor included) against the nearest of another one.

    loss = mean over anchors of ``max(0, d_ap - d_an + margin)``, or of ``log(1 + exp(d_ap - d_an))`` without margin.
    Anchors without a negative in the global batch are left out.

    Args:
        feats (Tensor): (B, D), not normalised.
        labels (Tensor): (B,) int64, >= 0.
        margin (float): None or 0 for the soft one.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

    Source: Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification", arXiv 2017, eq. 5.
    Deviation: anchors without a negative have no term.

    Example:
        >>> feats = torch.tensor([[0., 0.], [1., 0.], [3., 0.]])
        >>> round(batch_hard_triplet_loss(feats, torch.tensor([0, 0, 1]), margin=1.5).item(), 4)
        0.1667
    """
    d_ap, d_an = hardest_distances(*_candidates(feats, labels))
    terms = (d_ap - d_an + margin).relu() if margin else F.softplus(d_ap - d_an)
    return mean_across_processes(terms.sum(), len(terms))


def weighted_triplet_loss(feats: Tensor, labels: Tensor, include_self: bool = True, stable: bool = True) -> Tensor:
    """Weighted mean distance to rows of the same label against that to others, with a soft margin.

    loss = mean over anchors of ``log(1 + exp(d_ap - d_an))``, with :func:`weighted_distances`. Anchors without a
    negative in the global batch, or without a positive, are left out.

    Args:
        feats (Tensor): (B, D), not normalised.
        labels (Tensor): (B,) int64, >= 0.
        include_self (bool): whether the anchor is one of its positives, at distance 1e-6.
        stable (bool): False: weights as in the released code. Those of negatives vanish for distances above about 15,
            and so does the distance to negatives: then the loss only pulls, which shrinks the features.

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

    Source: Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2021, eq. 12-13.
    Deviation: with ``stable``, the weights. Below a distance of about 3 both are equal.
    """
    d_ap, d_an = weighted_distances(*_candidates(feats, labels, include_self), stable)
    terms = F.softplus(d_ap - d_an)
    return mean_across_processes(terms.sum(), len(terms))


def _candidates(feats: Tensor, labels: Tensor, include_self: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Distances of this process' anchors to all rows, masks of their positives and negatives, each (A, N)."""
    check_labeled_rows(feats, labels)
    feats = feats.to(torch.promote_types(feats.dtype, torch.float32))  # gradients are added up over processes
    all_feats, all_labels = gather_rows(feats, labels)
    dist = euclidean_dist(feats, all_feats)
    same = labels[:, None] == all_labels
    positives = same if include_self else same & ~_own_rows(labels)
    usable = positives.any(dim=1) & ~same.all(dim=1)
    return dist[usable], positives[usable], ~same[usable]


def _own_rows(labels: Tensor) -> Tensor:
    """Mask (B, N) of each row's own place among the rows of all processes."""
    place = torch.arange(len(labels), device=labels.device)
    rank = torch.full_like(place, get_rank())
    all_places, all_ranks = gather_rows(place, rank)
    return (place[:, None] == all_places) & (rank[:, None] == all_ranks)


@MODELS.register_module()
class BatchHardTripletLoss(nn.Module):
    """:func:`batch_hard_triplet_loss` of features and labels.

    Args:
        margin: None or 0 for the soft one.
    """

    def __init__(self, margin: float | None = 0.3) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, feats: Tensor, labels: Tensor) -> Tensor:
        """Features (B, D), labels (B,) -> ()."""
        return batch_hard_triplet_loss(feats, labels, self.margin)


@MODELS.register_module()
class WeightedTripletLoss(nn.Module):
    """:func:`weighted_triplet_loss` of features and labels.

    Args:
        include_self: whether the anchor is one of its positives.
        stable: False for the weights of the released code.
    """

    def __init__(self, include_self: bool = True, stable: bool = True) -> None:
        super().__init__()
        self.include_self = include_self
        self.stable = stable

    def forward(self, feats: Tensor, labels: Tensor) -> Tensor:
        """Features (B, D), labels (B,) -> ()."""
        return weighted_triplet_loss(feats, labels, self.include_self, self.stable)
