"""Ranks of the right gallery items, without the order of all the others.

Shape legend: b rows (queries), G columns (gallery items), P positives and J junk items of all rows together.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from .native import native_library


def positive_ranks(dist: Tensor, pos_indptr: Tensor, pos_indices: Tensor, junk_indptr: Tensor,
                   junk_indices: Tensor) -> Tensor:
    """Rank of each listed positive of each row under the order (distance, column), junk left out.

    ``rank(p) = 1 + #{i not junk: (dist[r, i], i) < (dist[r, p], p)}``: O(G) per positive, or one sort of the row's
    values; the order of the row is never made.

    Args:
        dist: (b, G) float32 or float64 without NaN.
        pos_indptr: (b + 1,) int64, where the list of each row begins.
        pos_indices: (P,) int64 in 0...G-1, columns of the positives of row 0, of row 1, ...
        junk_indptr: (b + 1,) int64.
        junk_indices: (J,) int64 in 0...G-1, columns that are passed over; none of them a positive of the same row.

    Returns:
        Tensor: (P,) int64 ranks from 1, in the order of ``pos_indices``.

    Raises:
        ValueError: on other shapes or types, or a column out of range.

    Source: own.

    Example:
        >>> dist = torch.tensor([[.1, .4, .2, .4]])
        >>> positive_ranks(dist, torch.tensor([0, 2]), torch.tensor([1, 3]), torch.tensor([0, 1]), torch.tensor([0]))
        tensor([2, 3])
    """
    _check(dist, pos_indptr, pos_indices, 'pos')
    _check(dist, junk_indptr, junk_indices, 'junk')
    dist = dist.contiguous()
    library = native_library(dist.device)
    if library is None or not len(pos_indices):
        return _reference(dist, pos_indptr, pos_indices, junk_indptr, junk_indices)
    ranks = torch.empty_like(pos_indices, memory_format=torch.contiguous_format)
    library.call('positive_ranks', dist, *dist.shape, int(dist.dtype == torch.float32),
                 pos_indptr.contiguous(), pos_indices.contiguous(), junk_indptr.contiguous(), junk_indices.contiguous(),
                 ranks)
    return ranks


def _reference(dist: Tensor, pos_indptr: Tensor, pos_indices: Tensor, junk_indptr: Tensor,
               junk_indices: Tensor) -> Tensor:
    if not len(pos_indices):
        return torch.empty_like(pos_indices)
    positives, is_positive = _padded(pos_indptr, pos_indices)  # (b, n)
    junk, is_junk = _padded(junk_indptr, junk_indices)  # (b, m)
    rising = _sorted_values(dist)
    own = dist.gather(1, positives)
    places = torch.searchsorted(rising, own)  # (b, n) smaller values in the row
    junk_places = torch.searchsorted(rising, dist.gather(1, junk))

    following = (places + 1).clamp_(max=dist.shape[1] - 1)
    tied = (is_positive & (following > places) & (rising.gather(1, following) == own)).any(dim=1)
    if tied.any():
        stable = _stable_places(dist[tied])
        places[tied], junk_places[tied] = stable.gather(1, positives[tied]), stable.gather(1, junk[tied])
    junk_places = junk_places.masked_fill_(~is_junk, dist.shape[1]).sort(dim=1).values
    return (1 + places - torch.searchsorted(junk_places, places))[is_positive]


def _padded(indptr: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Lists of rows as a matrix (b, n), filled up with 0, and where it holds an entry."""
    lengths = indptr.diff()[:, None]
    filled = torch.arange(int(lengths.max()), device=indptr.device) < lengths
    return torch.zeros_like(filled, dtype=torch.int64).masked_scatter_(filled, indices), filled


def _sorted_values(dist: Tensor) -> Tensor:
    if dist.device.type != 'cpu':
        return dist.sort(dim=1).values
    rising = dist.detach().numpy().copy()
    num_threads = torch.get_num_threads()
    with ThreadPoolExecutor(num_threads) as pool:  # NumPy sorts with vector instructions: 20 times as fast as torch
        list(pool.map(lambda rows: rows.sort(axis=1), np.array_split(rising, num_threads)))
    return torch.from_numpy(rising)


def _stable_places(dist: Tensor) -> Tensor:
    """(b, G) place of each column in its row, counted from 0, equal values by column."""
    order = (dist + 0.0).sort(dim=1, stable=True).indices  # + 0.0 makes -0.0 equal to 0.0 for a sort by bits, too
    return torch.empty_like(order).scatter_(1, order, torch.arange(dist.shape[1], device=dist.device).expand_as(order))


def _check(dist: Tensor, indptr: Tensor, indices: Tensor, name: str) -> None:
    """A kernel reads where the lists point, so they must point into the matrix."""
    if dist.ndim != 2 or dist.dtype not in (torch.float32, torch.float64):
        raise ValueError(f'dist must have shape (b, G) and be float32 or float64, got {tuple(dist.shape)} {dist.dtype}')
    for part, tensor in (('indptr', indptr), ('indices', indices)):
        if tensor.ndim != 1 or tensor.dtype != torch.int64 or tensor.device != dist.device:
            raise ValueError(f'{name}_{part} must be a 1-d int64 tensor on {dist.device}, got {tuple(tensor.shape)} '
                             f'{tensor.dtype} on {tensor.device}')
    starts = indptr.tolist()
    if len(starts) != len(dist) + 1 or starts[0] != 0 or starts[-1] != len(indices) or starts != sorted(starts):
        raise ValueError(f'{name}_indptr must rise from 0 to the {len(indices)} indices in {len(dist) + 1} steps, '
                         f'got {starts if len(starts) <= 10 else f"{len(starts)} values"}; build it as a sum of counts')
    if len(indices) and (int(indices.min()) < 0 or int(indices.max()) >= dist.shape[1]):
        raise ValueError(f'{name}_indices must be in 0...{dist.shape[1] - 1}, got {int(indices.min())} to '
                         f'{int(indices.max())}')
