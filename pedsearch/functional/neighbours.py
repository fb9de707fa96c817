"""Exact nearest neighbours, the same whatever computed them.

Shape legend: N points, n some of them, r rows of one tile, D dimensions, k neighbours, c candidates.
"""

import importlib.util
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pedsearch.ops import nearest_of_candidates, smallest_of_symmetric

from .arrays import as_array
from .settings import check_count

_VALUES_PER_TILE = 2**24  # 64 MiB of float32
_VALUES_PER_BLOCK = 2**22  # 32 MiB of float64
_MARGIN = 8
_GRID_BITS = 40


@dataclass(frozen=True)
class Neighbours:
    """The nearest points of each point.

    Attributes:
        indices (Tensor): (N, k) int32.
        sq_dists (Tensor): (N, k) float64 squared distances.
    """

    indices: Tensor
    sq_dists: Tensor


TileReader = Callable[[int, Tensor], None]
"""Is shown squared distances as they are computed: ``start`` and a tile (r, N - start) float32 with the distances of
the points ``start`` to ``start + r`` to those from ``start`` on. Rounding may make them negative, and the memory of a
tile is used again."""


def unit_rows(feats: Any, name: str = 'feats') -> Tensor:
    """Features as unit vectors in double precision, so that nothing depends on the dtype they came in.

    Args:
        feats (array-like | Tensor): (N, D), any float or integer dtype, any strides, any device.
        name (str): what to call them in an error.

    Returns:
        Tensor: (N, D) float64 on the device of ``feats``; a row of zeros stays one.

    Raises:
        ValueError: if the shape is wrong or a value is not finite.
    """
    feats = check_feats(feats, name)
    rows = torch.empty(feats.shape, dtype=torch.float64, device=feats.device).copy_(feats)
    for order in (math.inf, 2):  # first the largest value to 1: squares of huge and tiny ones leave the range
        norms = torch.linalg.vector_norm(rows, order, dim=1, keepdim=True) if len(rows) else rows[:, :1]
        rows.div_(torch.where(norms > 0, norms, 1))
    return rows


def check_feats(feats: Any, name: str = 'feats') -> Tensor:
    """Features as a tensor of finite numbers; those of a tensor stay on their device.

    Raises:
        TypeError: if they are not numbers.
        ValueError: if the shape is not (N, D) or a value is not finite.
    """
    if not isinstance(feats, Tensor):
        array = as_array(feats, name)
        plain = np.float32 if array.dtype.kind == 'f' and array.itemsize <= 4 else np.float64
        feats = torch.from_numpy(np.require(array, plain, 'CW'))  # a copy only where torch cannot share the memory
    feats = feats.detach()
    if feats.is_complex() or feats.layout != torch.strided:
        raise TypeError(f'{name} must be a dense tensor of real numbers, got {feats.layout} of {feats.dtype}')
    if feats.element_size() == 1:
        feats = feats.float()
    if feats.ndim != 2 or (feats.shape[1] == 0 and len(feats)):
        raise ValueError(f'{name} must have shape (N, D), got {tuple(feats.shape)}; stack one feature a row')
    if feats.is_floating_point() and len(feats):
        bad = ~torch.isfinite(torch.linalg.vector_norm(feats, math.inf, dim=1))
        if bad.any():
            raise ValueError(f'{name} must be finite, got NaN or infinity in {int(bad.sum())} of {len(feats)} rows '
                             f'(first: row {int(bad.int().argmax())}); look for an overflow in the model')
    return feats


def paired_feats(query_feats: Any, gallery_feats: Any) -> tuple[Tensor, Tensor]:
    """Both sets of features as checked tensors on the queries' device.

    Raises:
        TypeError, ValueError: see :func:`check_feats`; also if they do not have one number of columns.
    """
    query, gallery = check_feats(query_feats, 'query_feats'), check_feats(gallery_feats, 'gallery_feats')
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(f'query_feats and gallery_feats must have one number of columns, got {query.shape[1]} and '
                         f'{gallery.shape[1]}; take both from the same model')
    return query, gallery.to(query.device)


def nearest_neighbours(points: Tensor, k: int, *, backend: str = 'auto',
                       read_tile: TileReader | None = None) -> Neighbours:
    """The k nearest points of each point among all of them, itself included, by Euclidean distance.

    The point itself comes first, then the others by distance, equally distant ones by index. Candidates are found in
    single precision; their distances are then computed again in double precision and compared on a grid of 2^-40 times
    the largest squared norm, so that rounding decides nothing. Where the candidates of a point may miss a
    neighbour, they are found in double precision, too. The result is therefore the same for every backend, block
    size, number of threads and device.

    Args:
        points (Tensor): (N, D) float64, see :func:`unit_rows`.
        k (int): at least 1; with fewer points all of them are neighbours.
        backend (str): 'torch', 'faiss' (CPU or GPU, as installed), or 'auto': faiss on CUDA tensors if it has GPUs,
            else torch, which is faster on a CPU.
        read_tile (TileReader, optional): is shown all distances on the way; with the backend 'torch' only.

    Returns:
        Neighbours: min(k, N) per point.

    Raises:
        ValueError: if k is smaller than 1, or the backend is unknown or shows no tiles.
        ImportError: if backend is 'faiss' and it is not installed.

    Source: own.
    """
    num_points = len(points)
    k = min(check_count(k, 'k'), num_points)
    if num_points == 0:
        return Neighbours(torch.zeros(0, 0, dtype=torch.int32, device=points.device), points.new_zeros(0, 0))
    with full_precision():
        centred = _centred(points)
        candidates, limits = _find_candidates(centred, min(k + _MARGIN, num_points), backend, read_tile)
        ruler = _Ruler.of(centred)
        rows = torch.arange(num_points, device=points.device)
        indices, sq_dists = nearest_of_candidates(points, rows, candidates, k, ruler.grid)
        if candidates.shape[1] < num_points:
            # Points outside of the candidates are at least as far as the farthest candidate, up to rounding.
            unsure = rows[sq_dists[:, -1] + ruler.error >= limits]
            for some in unsure.split(max(1, _VALUES_PER_BLOCK // num_points)):
                found = _nearest_by_double_precision(centred, some, k, ruler)
                indices[some], sq_dists[some] = nearest_of_candidates(points, some, found, k, ruler.grid)
    return Neighbours(indices, sq_dists)


def _centred(points: Tensor) -> Tensor:
    """Points around 0: products then lose no more than the spread of the points asks for, however far off they lie."""
    centred = points - points[0]  # exactly 0 where all points are one
    return centred.sub_(centred.mean(dim=0))


@dataclass(frozen=True)
class _Ruler:
    """What counts as equal.

    Attributes:
        sq_norms: (N,) float64.
        grid: distances that round to the same multiple of it are equal.
        index_bits: bits that the index of a point needs.
        error: largest difference of a squared distance in single precision from the exact one.
    """

    sq_norms: Tensor
    grid: float
    index_bits: int
    error: float

    @classmethod
    def of(cls, points: Tensor) -> '_Ruler':
        num_points, num_dims = points.shape
        sq_norms = torch.linalg.vector_norm(points, dim=1).square_()
        largest = sq_norms.max().item() or 1.0
        index_bits = max(1, (num_points - 1).bit_length())
        grid = largest * 2.0**-min(_GRID_BITS, 60 - index_bits)  # steps and index fit into 63 bits
        # Factors are rounded to 2^-24, and so is each of the additions (Higham, Accuracy and Stability, section 3.1).
        return cls(sq_norms, grid, index_bits, 4 * (num_dims + 8) * 2.0**-24 * largest)


def _nearest_by_double_precision(points: Tensor, rows: Tensor, k: int, ruler: _Ruler) -> Tensor:
    """Candidates (n, c) int32 of points whose neighbours only double precision or the index tells apart."""
    dots = points[rows] @ points.T  # (n, D) @ (D, N) -> (n, N)
    steps = ((ruler.sq_norms[rows, None] + ruler.sq_norms - 2 * dots) / ruler.grid).round_().long().clamp_(min=0)
    keys = (steps << ruler.index_bits) | torch.arange(len(points), device=points.device)
    keys[torch.arange(len(rows), device=rows.device), rows] = -1
    return keys.topk(min(k + _MARGIN, len(points)), dim=1, largest=False).indices.int()


def _find_candidates(points: Tensor, num: int, backend: str, read_tile: TileReader | None) -> tuple[Tensor, Tensor]:
    """Candidates (N, num) int32 and the limit (N,) that the squared distances of all others reach, in single precision.

    A point with many twins may be missing among its own candidates. Then its limit is 0 up to rounding, so that the
    candidates do not stand.
    """
    if backend not in ('auto', 'faiss', 'torch'):
        raise ValueError(f"backend must be 'auto', 'faiss' or 'torch', got {backend!r}")
    if backend == 'faiss' and read_tile is not None:
        raise ValueError("backend 'faiss' has no tiles to read; use 'torch'")
    if backend == 'faiss' or (backend == 'auto' and points.is_cuda and read_tile is None and _faiss_has_gpus()):
        sq_dists, indices = _search_with_faiss(points, num)
    else:
        sq_dists, indices = smallest_of_symmetric(_sq_dist_tiles(points, read_tile), len(points), num, points.device)
    return indices, sq_dists.amax(dim=1)


def _sq_dist_tiles(points: Tensor, read_tile: TileReader | None) -> Iterator[Tensor]:
    """Bands (r, N - start) float32 of the upper part of the squared distances."""
    num_points, num_dims = points.shape
    left = points.new_ones(num_points, num_dims + 2, dtype=torch.float32)
    left[:, :num_dims] = points
    left[:, -2] = torch.linalg.vector_norm(left[:, :num_dims], dim=1).square_()
    right = left.clone()
    right[:, :num_dims] *= -2
    right[:, -2], right[:, -1] = 1, left[:, -2]  # left[i] . right[j] = |i|^2 + |j|^2 - 2 i.j
    # Low tiles waste little of the square on the diagonal, high ones make better products.
    num_rows = max(1, min(num_points, _VALUES_PER_TILE // num_points, max(256, num_points // 8)))
    memory = left.new_empty(num_rows * num_points)  # the same for all tiles: fresh pages cost as much as products
    for start in range(0, num_points, num_rows):
        stop = min(start + num_rows, num_points)
        tile = memory[:(stop - start) * (num_points - start)].view(stop - start, num_points - start)
        torch.mm(left[start:stop], right[start:].T, out=tile)  # (r, D + 2) @ (D + 2, N - start) -> (r, N - start)
        if read_tile is not None:
            read_tile(start, tile)
        yield tile


def _search_with_faiss(points: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Squared distances (N, num) float32 and indices (N, num) int32."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError("backend 'faiss' needs faiss; pip install 'pedsearch[faiss]', or use backend 'torch'"
                          ) from error
    single = points.float().cpu().contiguous().numpy()
    index = faiss.IndexFlatL2(single.shape[1])
    if points.is_cuda and _faiss_has_gpus():
        index = faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), points.device.index or 0, index)
    index.add(single)
    sq_dists, indices = (torch.from_numpy(part).to(points.device) for part in index.search(single, num))
    return sq_dists, indices.int()


def _faiss_has_gpus() -> bool:
    if importlib.util.find_spec('faiss') is None:
        return False
    import faiss
    return getattr(faiss, 'get_num_gpus', lambda: 0)() > 0


@contextmanager
def full_precision() -> Iterator[None]:
    """Products in full single precision, whatever the training around them has chosen."""
    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision('highest')
    try:
        with torch.autocast('cuda', enabled=False), torch.autocast('cpu', enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(chosen)
