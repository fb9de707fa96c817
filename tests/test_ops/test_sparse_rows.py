import numpy as np
import scipy.sparse
import torch

from pedsearch.ops import SparseRows
from pedsearch.ops.sparse_rows import exclusive_sum

DENSE = np.array([[0, 2, 0, 3], [0, 0, 0, 0], [5, 0, 0, 7]], dtype=np.float64)


def sparse(dense):
    matrix = scipy.sparse.csr_matrix(dense)
    return SparseRows(torch.from_numpy(matrix.indptr).long(), torch.from_numpy(matrix.indices), torch.from_numpy(matrix.data),
                      dense.shape[1])


def test_parts():
    rows = sparse(DENSE)
    assert rows.num_rows == 3
    assert rows.row_of_entries().tolist() == [0, 0, 2, 2]
    assert (rows.to_scipy().toarray() == DENSE).all()
    assert (rows.rows(1, 3).to_scipy().toarray() == DENSE[1:3]).all()
    assert rows.rows(1, 1).num_rows == 0


def test_transposed():
    turned = sparse(DENSE).transposed()
    assert (turned.to_scipy().toarray() == DENSE.T).all()
    assert turned.to_scipy().has_canonical_format
    assert (turned.indptr.dtype, turned.indices.dtype, turned.num_cols) == (torch.int64, torch.int32, 3)


def test_memory_is_shared_with_scipy():
    rows = sparse(DENSE)
    assert np.shares_memory(rows.to_scipy().data, rows.values.numpy())


def test_exclusive_sum():
    assert exclusive_sum(torch.tensor([2, 0, 3])).tolist() == [0, 2, 2, 5]
    assert exclusive_sum(torch.zeros(0, dtype=torch.int64)).tolist() == [0]
