"""The smallest values of each row of a symmetric matrix that is never whole.

Shape legend: N rows and columns, r rows of one tile, k values.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from .native import NativeLibrary, native_library


def smallest_of_symmetric(tiles: Iterable[Tensor], size: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The k smallest values of each row, in no particular order; which of several equal ones is not defined.

    Args:
        tiles: the upper part of the matrix in bands of rows from top to bottom: (r, N - start) float32, finite, where
            ``start`` is the sum of the r before. Each is used before the next is asked for.
        size: N.
        k: in 1...N.
        device: of the tiles.

    Returns:
        tuple[Tensor, Tensor]: (N, k) float32 values and (N, k) int32 columns.

    Source: own.
    """
    library = native_library(device) if device.type == 'cpu' else None
    if library is None:
        return _reference(tiles, size, k, device)
    return _native(library, tiles, size, k)


def _native(library: NativeLibrary, tiles: Iterable[Tensor], size: int, k: int) -> tuple[Tensor, Tensor]:
    capacity = 2 * k + 16  # a list is cut down to k when it is full
    values, indices = torch.empty(size, capacity), torch.empty(size, capacity, dtype=torch.int32)
    counts, limits = torch.zeros(size, dtype=torch.int32), torch.full((size, ), float('inf'))
    start = 0
    for tile in tiles:
        library.call('smallest_of_symmetric', tile.contiguous(), *tile.shape, start, k, capacity, values, indices,
                     counts, limits)
        start += len(tile)
    values.masked_fill_(torch.arange(capacity) >= counts[:, None], float('inf'))
    values, places = values.topk(k, largest=False, sorted=False)
    return values, indices.gather(1, places)


def _reference(tiles: Iterable[Tensor], size: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    values = torch.full((size, k), float('inf'), device=device)
    indices = torch.zeros(size, k, dtype=torch.int32, device=device)
    start = 0
    for tile in tiles:
        stop = start + len(tile)
        for rows, part in ((slice(start, stop), tile), (slice(stop, None), tile[:, len(tile):].T)):
            best, columns = part.topk(min(k, part.shape[1]), dim=1, largest=False, sorted=False)
            merged = torch.cat([values[rows], best], dim=1)
            columns = torch.cat([indices[rows], columns.int() + start], dim=1)
            values[rows], places = merged.topk(k, dim=1, largest=False, sorted=False)
            indices[rows] = columns.gather(1, places)
        start = stop
    return values, indices
