"""Product of two sparse matrices, with terms multiplied or with their minimum taken.

Shape legend: n rows, l inner length, m columns.
"""

import torch
from torch import Tensor

from .native import native_library
from .sparse_rows import SparseRows, exclusive_sum

_TERMS_PER_CHUNK = 2**18
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
    counts = torch.zeros(left.num_rows, dtype=torch.int64, device=device)
    indices, values = [torch.zeros(0, dtype=torch.int32, device=device)], [torch.zeros(0, dtype=dtype, device=device)]
    start = 0
    while start < left.num_rows:
        limit = terms_before[start] + _TERMS_PER_CHUNK
        stop = max(start + 1, int(torch.searchsorted(terms_before, limit, right=True)) - 1)
        block = left.rows(start, stop)
        lengths = row_terms[left.indptr[start]:left.indptr[stop]]
        offsets = exclusive_sum(lengths)
        entry = torch.arange(len(lengths), device=device).repeat_interleave(lengths)
        place = torch.arange(len(entry), device=device) + (right.indptr[block.indices] - offsets[:-1])[entry]
        terms = COMBINE[combine](block.values[entry], right.values[place])
        keys = block.row_of_entries()[entry] * right.num_cols + right.indices[place]
        keys, group = keys.unique(return_inverse=True)
        sums = torch.zeros(len(keys), dtype=torch.float64, device=device).index_add_(0, group, terms)
        if floor > 0:
            keys, sums = keys[sums >= floor], sums[sums >= floor]
        counts[start:stop] = torch.bincount(keys // right.num_cols, minlength=stop - start)
        indices.append((keys % right.num_cols).int())
        values.append(sums.to(dtype))
        start = stop
    return SparseRows(exclusive_sum(counts), torch.cat(indices), torch.cat(values), right.num_cols)
