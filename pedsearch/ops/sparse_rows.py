"""A sparse matrix in compressed rows that native kernels and torch share.

Shape legend: n rows, m columns, E stored entries.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse
import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """Compressed rows; the columns of a row rise and do not repeat.

    Attributes:
        indptr (Tensor): (n + 1,) int64, where each row begins.
        indices (Tensor): (E,) int32 columns.
        values (Tensor): (E,) float32 or float64.
        num_cols (int): m.
    """

    indptr: Tensor
    indices: Tensor
    values: Tensor
    num_cols: int

    @property
    def num_rows(self) -> int:
        return len(self.indptr) - 1

    def row_of_entries(self) -> Tensor:
        """(E,) int64, the row of each entry."""
        rows = torch.arange(self.num_rows, device=self.indptr.device)
        return rows.repeat_interleave(self.indptr.diff(), output_size=len(self.indices))

    def rows(self, start: int, stop: int) -> 'SparseRows':
        """Rows ``start`` to ``stop``; entries are shared, not copied."""
        first, last = self.indptr[start].item(), self.indptr[stop].item()
        return SparseRows(self.indptr[start:stop + 1] - first, self.indices[first:last], self.values[first:last],
                          self.num_cols)

    def transposed(self) -> 'SparseRows':
        """The (m, n) transpose."""
        if self.indices.device.type == 'cpu':  # SciPy's counting sort takes a fifth of torch's stable sort
            columns = self.to_scipy().tocsc()
            return SparseRows(torch.from_numpy(columns.indptr).long(), torch.from_numpy(columns.indices).int(),
                              torch.from_numpy(columns.data), self.num_rows)
        order = torch.argsort(self.indices, stable=True)
        counts = torch.bincount(self.indices, minlength=self.num_cols)
        return SparseRows(exclusive_sum(counts), self.row_of_entries()[order].int(), self.values[order], self.num_rows)

    def to_scipy(self) -> scipy.sparse.csr_matrix:
        """The same matrix on the CPU; memory is shared where it lies there already."""
        indptr, indices, values = (part.cpu().numpy() for part in (self.indptr, self.indices, self.values))
        if len(indices) <= np.iinfo(np.int32).max:
            indptr = indptr.astype(np.int32)  # SciPy wants both kinds of index to be of one width
        return scipy.sparse.csr_matrix((values, indices, indptr), shape=(self.num_rows, self.num_cols))


def exclusive_sum(counts: Tensor) -> Tensor:
    """(n,) counts -> (n + 1,) int64 starts: [2, 0, 3] -> [0, 2, 2, 5]."""
    starts = counts.new_zeros(len(counts) + 1, dtype=torch.int64)
    torch.cumsum(counts, dim=0, out=starts[1:])
    return starts
