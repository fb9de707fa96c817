"""The momentum update of memory rows, as if one sample came after another.

Shape legend: B samples, N rows, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def occurrence_rounds(ids: Tensor) -> Tensor:
    """How often each entry's id came before it: [0, 2, 0, 0, 2] -> [0, 0, 1, 2, 1].

    Entries of one round have distinct ids, so a round can be applied at once and rounds in order give exactly the
    result of a sequential loop.

    Args:
        ids (Tensor): (B,) integers.

    Returns:
        Tensor: (B,) int64.
    """
    order = ids.argsort(stable=True)
    place = torch.arange(len(ids), device=ids.device)
    starts = torch.ones_like(place, dtype=torch.bool)
    starts[1:] = ids[order][1:] != ids[order][:-1]
    rounds = torch.empty_like(place)
    rounds[order] = place - torch.where(starts, place, 0).cummax(dim=0).values if len(ids) else place
    return rounds


@torch.no_grad()
def momentum_update(rows: Tensor, embed: Tensor, ids: Tensor, momentum: float) -> None:
    """Write samples into the rows they belong to, in place: ``row = normalise(momentum * row + (1 - momentum) * x)``.

    Samples of one row come one after another in their order, which matters; samples that are not finite are left out.
    It takes as many vectorised steps as the commonest id has samples.

    Args:
        rows (Tensor): (N, D), changed.
        embed (Tensor): (B, D), L2-normalised.
        ids (Tensor): (B,) int64, row of each sample.
        momentum (float): weight of the old row, in [0, 1].

    Example:
        >>> rows = torch.tensor([[0., 1.]])
        >>> momentum_update(rows, torch.tensor([[1., 0.]]), torch.tensor([0]), momentum=0.)
        >>> rows.tolist()
        [[1.0, 0.0]]
    """
    rounds = occurrence_rounds(ids)
    order = rounds.argsort(stable=True)
    sizes = torch.zeros_like(rounds).index_add_(0, rounds, torch.ones_like(rounds)).tolist()
    for now in order.split([size for size in sizes if size]):
        old, new = rows[ids[now]], embed[now]
        moved = F.normalize(momentum * old + (1 - momentum) * new, dim=1)
        rows[ids[now]] = torch.where(new.isfinite().all(dim=1, keepdim=True), moved, old)
