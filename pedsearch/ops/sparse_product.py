"""Product of two sparse matrices, with terms multiplied or with their minimum taken.

Shape legend: n rows, l inner length, m columns.
"""

import torch
from torch import Tensor

from .native import native_library
from .sparse_rows import SparseRows, exclusive_sum

_TERMS_PER_CHUNK = 2**22
_SUMS_PER_CHUNK = 2**22
COMBINE = {'times': torch.mul, 'minimum': torch.minimum}


def sparse_product(left: SparseRows, right: SparseRows, combine: str = 'times', *, floor: float = 0.0,
                   dtype: torch.dtype = torch.float64) -> SparseRows:
    """``C[i, j] = sum over l of combine(left[i, l], right[l, j])`` over the l that both store.

    Sums are double precision and run over l in rising order (the torch reference on CUDA: in any order).

    Args:
        left: (n, l) with float64 values > 0.
        right: (l, m) with float64 values > 0.
        combine: 'times' (the usual product) or 'minimum'.
        floor: entries below it are left out; computing them twice keeps memory in bounds.
        dtype: of the result's values, torch.float32 or torch.float64.

    Returns:
        SparseRows: (n, m), the pairs that share an l and reach the floor.

    Source: own.
    """
    library = native_library(left.values.device)
    if library is None:
        return _reference(left, right, combine, floor, dtype)
    device = left.values.device
    operands = [left.indptr, left.indices, left.values, right.indptr, right.indices, right.values, left.num_rows,
                right.num_cols, int(combine == 'minimum'), float(floor), int(dtype == torch.float32)]
    operands = [part.contiguous() if isinstance(part, Tensor) else part for part in operands]
    counts = torch.empty(left.num_rows, dtype=torch.int64, device=device)
    library.call('sparse_product', *operands, counts, None, None)
    starts = exclusive_sum(counts)
    indices = torch.empty(starts[-1].item(), dtype=torch.int32, device=device)
    values = torch.empty(len(indices), dtype=dtype, device=device)
    library.call('sparse_product', *operands, starts, indices, values)
    return SparseRows(starts, indices, values, right.num_cols)


def _reference(left: SparseRows, right: SparseRows, combine: str, floor: float, dtype: torch.dtype) -> SparseRows:
    device = left.values.device
    row_terms = right.indptr.diff()[left.indices]  # terms that each entry of left has part in
    terms_before = exclusive_sum(row_terms)[left.indptr]  # (n + 1,)
    max_rows = max(1, _SUMS_PER_CHUNK // max(1, right.num_cols))
    counts, indices, values = [torch.zeros(0, dtype=torch.int64, device=device)], [], []
    start = 0
    while start < left.num_rows:
        limit = terms_before[start] + _TERMS_PER_CHUNK
        stop = int(torch.searchsorted(terms_before, limit, right=True)) - 1
        stop = min(max(stop, start + 1), start + max_rows, left.num_rows)
        block = left.rows(start, stop)
        entries = slice(int(left.indptr[start]), int(left.indptr[stop]))
        lengths = row_terms[entries]
        offsets = exclusive_sum(lengths)
        total = int(offsets[-1])
        entry = torch.arange(len(lengths), device=device).repeat_interleave(lengths, output_size=total)
        place = torch.arange(total, device=device) + (right.indptr[block.indices] - offsets[:-1])[entry]
        terms = COMBINE[combine](block.values[entry], right.values[place])
        sums = torch.zeros((stop - start) * right.num_cols, dtype=torch.float64, device=device)
        sums.index_add_(0, block.row_of_entries()[entry] * right.num_cols + right.indices[place], terms)
        sums = sums.view(stop - start, right.num_cols)
        stored = (sums > 0) & (sums >= floor)  # terms are positive
        counts.append(stored.sum(dim=1))
        indices.append(stored.nonzero()[:, 1].int())
        values.append(sums[stored].to(dtype))
        start = stop
    empty = torch.zeros(0, dtype=torch.int32, device=device)
    return SparseRows(exclusive_sum(torch.cat(counts)), torch.cat([empty, *indices]),
                      torch.cat([empty.to(dtype), *values]), right.num_cols)
