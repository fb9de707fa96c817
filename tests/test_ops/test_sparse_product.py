import importlib

import numpy as np
import pytest
import scipy.sparse
import torch

from pedsearch.ops import SparseRows, reference_kernels, sparse_product

MODULE = importlib.import_module('pedsearch.ops.sparse_product')  # the package's attribute is the function


def random_rows(num_rows, num_cols, density, seed):
    matrix = scipy.sparse.random(num_rows, num_cols, density, format='csr', rng=np.random.default_rng(seed))
    matrix.sort_indices()
    matrix.data += 0.01
    return from_scipy(matrix)


def from_scipy(matrix):
    return SparseRows(torch.from_numpy(matrix.indptr).long(), torch.from_numpy(matrix.indices).int(),
                      torch.from_numpy(matrix.data).double(), matrix.shape[1])


def plain_product(left, right, combine):
    left, right = left.to_scipy().toarray(), right.to_scipy().toarray()
    return np.array([[sum(combine(a, b) for a, b in zip(row, column) if a and b) for column in right.T]
                     for row in left]).reshape(len(left), right.shape[1])


def run(native, *args, **kwargs):
    if native:
        return sparse_product(*args, **kwargs)
    with reference_kernels():
        return sparse_product(*args, **kwargs)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('combine', 'plain'), [('times', lambda a, b: a * b), ('minimum', min)])
@pytest.mark.parametrize(('shape', 'density'), [((30, 40, 20), .1), ((5, 130, 200), .3), ((1, 1, 1), 1.), ((4, 3, 2), 0.)])
def test_equals_loops(shape, density, combine, plain, native):
    rows, inner, cols = shape
    left, right = random_rows(rows, inner, density, 1), random_rows(inner, cols, density, 2)
    product = run(native, left, right, combine)
    expected = plain_product(left, right, plain)
    np.testing.assert_allclose(product.to_scipy().toarray(), expected, rtol=1e-13)
    assert len(product.indices) == np.count_nonzero(expected)
    assert product.to_scipy().has_canonical_format


@pytest.mark.parametrize('native', [True, False])
def test_small_entries_are_left_out(native):
    left, right = random_rows(30, 50, .2, 3), random_rows(50, 60, .2, 4)
    whole, floored = run(native, left, right, 'minimum'), run(native, left, right, 'minimum', floor=0.5)
    kept = whole.values >= 0.5
    assert 0 < kept.sum() < len(kept)
    assert torch.equal(floored.indices, whole.indices[kept])
    assert torch.equal(floored.values, whole.values[kept])


@pytest.mark.parametrize('native', [True, False])
def test_single_precision_is_rounded_once(native):
    left, right = random_rows(30, 50, .5, 5), random_rows(50, 60, .5, 6)
    double, single = run(native, left, right), run(native, left, right, dtype=torch.float32)
    assert torch.equal(single.values, double.values.float())


@pytest.mark.parametrize('native', [True, False])
def test_product_with_the_own_transpose_is_symmetric_to_the_last_bit(native):
    rows = random_rows(80, 60, .3, 7)
    product = run(native, rows, rows.transposed(), 'minimum').to_scipy().toarray()
    assert (product == product.T).all()


def test_threads_and_chunks_change_nothing(monkeypatch):
    left, right = random_rows(70, 90, .2, 8), random_rows(90, 110, .2, 9)
    chosen = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            results.append(sparse_product(left, right))
    finally:
        torch.set_num_threads(chosen)
    with reference_kernels():
        results.append(sparse_product(left, right))
        monkeypatch.setattr(MODULE, '_TERMS_PER_CHUNK', 10)
        results.append(sparse_product(left, right))
    for result in results[1:]:
        assert torch.equal(result.indptr, results[0].indptr)
        assert torch.equal(result.indices, results[0].indices)
        torch.testing.assert_close(result.values, results[0].values, rtol=1e-14, atol=0)


def test_rows_of_a_larger_matrix_will_do():
    left, right = random_rows(40, 30, .3, 10), random_rows(30, 25, .3, 11)
    whole = sparse_product(left, right).to_scipy().toarray()
    part = sparse_product(left.rows(10, 25), right).to_scipy().toarray()
    assert (part == whole[10:25]).all()
