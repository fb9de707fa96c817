"""The CUDA sources where there is no GPU: their kernels run by threads of the CPU, and the library compiled for real.

``cuda_on_cpu.h`` stands in for CUDA, see the fixture ``emulated_gpu``. ``block_threads`` is how many threads a block has
there.
"""

import ctypes
import shutil

import numpy as np
import pytest
import scipy.sparse
import torch

from pedsearch import ops
from pedsearch.ops import SparseRows, reference_kernels
from pedsearch.ops import build as build_module
from pedsearch.ops.build import build
from pedsearch.ops.native import library_name

from .. import plain_reciprocal, plain_zbuffer

KERNELS = ('hard_negative_softmax', 'pattern_sq_distances', 'person_crops', 'positive_ranks', 'reciprocal_sets',
           'roi_pool', 'roi_pool_backward', 'sparse_product', 'zbuffer')
BLOCK_THREADS = [8, 24]


def sparse(num_rows, num_cols, density, seed):
    matrix = scipy.sparse.random(num_rows, num_cols, density, format='csr', rng=np.random.default_rng(seed))
    matrix.sort_indices()
    return SparseRows(torch.from_numpy(matrix.indptr).long(), torch.from_numpy(matrix.indices).int(),
                      torch.from_numpy(matrix.data + .01), num_cols)


def plain_product(left, right, combine, floor):
    """Entries {column: sum} of each row, sums by rising inner index in double precision."""
    rows = [[list(zip(part.indices[a:b].tolist(), part.values[a:b].tolist()))
             for a, b in zip(part.indptr[:-1].tolist(), part.indptr[1:].tolist())] for part in (left, right)]
    product = []
    for entries in rows[0]:
        sums = {}
        for inner, a in entries:
            for column, b in rows[1][inner]:
                sums[column] = sums.get(column, 0.0) + combine(a, b)
        product.append({column: value for column, value in sorted(sums.items()) if value >= floor})
    return product


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize(('combine', 'plain'), [('times', lambda a, b: a * b), ('minimum', min)])
@pytest.mark.parametrize('floor', [-1.0, 0.0, 0.3, 1e9])
@pytest.mark.parametrize(('shape', 'density'), [((30, 40, 20), .1), ((7, 60, 2500), .1), ((1, 1, 1), 1.), ((5, 3, 2), 0.),
                                                ((0, 4, 3), 0.), ((4, 3, 0), .5)])
def test_sparse_product(emulated_gpu, shape, density, floor, combine, plain, block_threads):
    num_rows, inner, num_cols = shape
    left, right = sparse(num_rows, inner, density, 1), sparse(inner, num_cols, density, 2)
    expected = plain_product(left, right, plain, floor)
    with emulated_gpu(block_threads):
        product = ops.sparse_product(left, right, combine, floor=floor)
        single = ops.sparse_product(left, right, combine, floor=floor, dtype=torch.float32)
    assert product.indptr.diff().tolist() == [len(row) for row in expected]
    assert product.indices.tolist() == [column for row in expected for column in row]
    assert product.values.tolist() == [value for row in expected for value in row.values()]
    assert torch.equal(single.indices, product.indices)
    assert torch.equal(single.values, product.values.float())
    on_cpu = ops.sparse_product(left, right, combine, floor=floor)
    with reference_kernels():
        reference = ops.sparse_product(left, right, combine, floor=floor)
    for other in (on_cpu, reference):
        assert torch.equal(other.indptr, product.indptr)
        assert torch.equal(other.indices, product.indices)
        torch.testing.assert_close(other.values, product.values, rtol=1e-14, atol=0)


def test_an_entry_that_just_reaches_the_floor_stays(emulated_gpu):
    rows = SparseRows(torch.tensor([0, 1, 1, 3]), torch.tensor([2, 0, 2], dtype=torch.int32),
                      torch.tensor([.5, 1., 2.], dtype=torch.float64), 3)
    with emulated_gpu(8):
        product = ops.sparse_product(rows, rows, floor=1.0)
    assert product.to_scipy().toarray().tolist() == [[0, 0, 1], [0, 0, 0], [2, 0, 4.5]]
    assert product.indptr.tolist() == [0, 1, 1, 3]


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
def test_product_with_the_own_transpose_is_symmetric_to_the_last_bit(emulated_gpu, block_threads):
    rows = sparse(40, 50, .3, 7)
    with emulated_gpu(block_threads):
        product = ops.sparse_product(rows, rows.transposed()).to_scipy().toarray()
    assert (product == product.T).all()


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize(('num', 'k', 'k_half', 'twins'), [(70, 9, 5, 0), (70, 9, 5, 20), (40, 6, 6, 0), (30, 4, 1, 5),
                                                           (12, 12, 12, 0), (60, 45, 23, 0), (1, 1, 1, 0)])
def test_reciprocal_sets(emulated_gpu, num, k, k_half, twins, block_threads):
    lists = plain_reciprocal.neighbour_lists(plain_reciprocal.clustered(num, noise=.9, twins=twins, seed=k), k)
    neighbours = torch.tensor(lists, dtype=torch.int32)
    with emulated_gpu(block_threads):
        starts, members = ops.reciprocal_sets(neighbours, k, k_half)
        part = ops.reciprocal_sets(neighbours, max(1, k - 2), max(1, k_half - 2))  # shorter than the lists
    found = [members[a:b].tolist() for a, b in zip(starts[:-1], starts[1:])]
    assert found == plain_reciprocal.reciprocal_sets(lists, k, k_half)
    with reference_kernels():
        reference = ops.reciprocal_sets(neighbours, max(1, k - 2), max(1, k_half - 2))
    on_cpu = ops.reciprocal_sets(neighbours, k, k_half)
    for some, others in ((part, reference), ((starts, members), on_cpu)):
        assert torch.equal(some[0], others[0])
        assert torch.equal(some[1], others[1])


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
def test_reciprocal_sets_of_points_without_mutual_neighbours(emulated_gpu, block_threads):
    neighbours = torch.tensor([[1, 2], [2, 3], [3, 4], [4, 0], [0, 4]], dtype=torch.int32)
    with emulated_gpu(block_threads):
        starts, members = ops.reciprocal_sets(neighbours, 2, 1)
        none = ops.reciprocal_sets(neighbours[:0], 2, 1)
    assert (starts.tolist(), members.tolist()) == ([0, 0, 0, 0, 0, 1], [4])
    assert (none[0].tolist(), none[1].tolist()) == ([0], [])


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dims', [1, 7, 8, 37])
def test_pattern_sq_distances(emulated_gpu, dims, block_threads):
    generator = torch.Generator().manual_seed(dims)
    left = torch.randn(9, dims, generator=generator, dtype=torch.float64)
    right = torch.cat([left[:2], torch.randn(5, dims, generator=generator, dtype=torch.float64)])
    starts = torch.tensor([0, 2, 2, 5, 6, 9, 9, 30, 32, 33])
    columns = torch.randint(7, (33, ), generator=generator, dtype=torch.int32)
    columns[0] = 0
    expected = [sum((a - b)**2 for a, b in zip(left[row].tolist(), right[column].tolist())) for row in range(9)
                for column in columns[starts[row]:starts[row + 1]]]
    with emulated_gpu(block_threads):
        found = ops.pattern_sq_distances(left, right, starts, columns)
        none = ops.pattern_sq_distances(left[:0], right, starts[:1], columns[:0])
    assert found[0] == 0
    assert len(none) == 0
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)
    on_cpu = ops.pattern_sq_distances(left, right, starts, columns)
    with reference_kernels():
        reference = ops.pattern_sq_distances(left, right, starts, columns)
    for other in (on_cpu, reference):
        torch.testing.assert_close(other, found, rtol=1e-14, atol=0)


def plain_ranks(dist, pos_indptr, pos_indices, junk_indptr, junk_indices):
    """The place of each positive in the whole order of its row without junk."""
    ranks = []
    for row, values in enumerate(dist.numpy()):
        junk = junk_indices[junk_indptr[row]:junk_indptr[row + 1]].numpy()
        order = np.argsort(values + 0, kind='stable')
        place = np.empty(len(values), dtype=np.int64)
        place[order] = np.cumsum(~np.isin(order, junk))
        ranks += place[pos_indices[pos_indptr[row]:pos_indptr[row + 1]].numpy()].tolist()
    return ranks


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('kind', ['distinct', 'few values', 'infinite', 'signed zeros'])
@pytest.mark.parametrize(('num_rows', 'num_columns'), [(1, 1), (9, 57), (2, 8191), (2, 8192), (3, 20001)])
def test_positive_ranks(emulated_gpu, num_rows, num_columns, kind, dtype, block_threads):
    rng = np.random.default_rng(num_columns)
    choices = {'few values': [-2., 0., 1.], 'infinite': [-np.inf, 0., 1., np.inf], 'signed zeros': [-0., 0., 1e-40]}
    dist = (rng.choice(choices[kind], (num_rows, num_columns)) if kind in choices
            else rng.standard_normal((num_rows, num_columns)))
    dist = torch.from_numpy(dist).to(dtype)
    borders = [0, 8191, 8192, 16383, 16384, num_columns - 1]  # of the pieces that a block reads
    borders = sorted({column for column in borders if column < num_columns})
    lists = [[], []]
    for _ in range(num_rows):
        columns = rng.permutation(np.setdiff1d(np.arange(num_columns), borders))[:rng.integers(30)]
        lists[0].append(np.concatenate([borders, columns[::2]]) if rng.random() < .8 else columns[:0])
        lists[1].append(columns[1::2])
    tensors = []
    for parts in lists:
        tensors.append(torch.tensor([0, *np.cumsum([len(part) for part in parts])]))
        tensors.append(torch.from_numpy(np.concatenate(parts)).long())
    with emulated_gpu(block_threads):
        found = ops.positive_ranks(dist, *tensors)
    assert found.tolist() == plain_ranks(dist, *tensors)
    assert torch.equal(found, ops.positive_ranks(dist, *tensors))


@pytest.mark.parametrize('block_threads', BLOCK_THREADS)
@pytest.mark.parametrize('perspective', [True, False])
@pytest.mark.parametrize(('batch', 'num_faces', 'size', 'image_size'),
                         [(3, 60, 3., (21, 34)), (2, 40, 30., (50, 40)), (1, 30, 9., (1, 70)), (2, 0, 1., (5, 6)),
                          (0, 4, 3., (5, 6))])
def test_zbuffer(emulated_gpu, batch, num_faces, size, image_size, perspective, block_threads):
    """Triangles for one thread, up to 64 pixels, and for its block; a few that are not drawn, a depth below 0."""
    points, faces = plain_zbuffer.soup(batch, num_faces, image_size, size)
    with emulated_gpu(block_threads):
        found = ops.zbuffer(points, faces, image_size, perspective=perspective)
    expected = ops.zbuffer(points, faces, image_size, perspective=perspective)
    with reference_kernels():
        reference = ops.zbuffer(points, faces, image_size, perspective=perspective)
    for other in (expected, reference):
        assert torch.equal(found[0], other[0])
        assert plain_zbuffer.bits(found[1]).equal(plain_zbuffer.bits(other[1]))
    assert (found[0] >= 0).any() == (batch * num_faces > 0)


def test_triangles_with_a_corner_that_does_not_exist_are_dropped(emulated_gpu, monkeypatch):
    monkeypatch.setattr('pedsearch.ops.rasterize._check', lambda *args: None)
    points = torch.tensor([[[0., 0, 1], [9, 0, 1], [0, 9, 1]]]).repeat(2, 1, 1)
    faces = torch.tensor([[0, 1, 3], [0, 1, 2], [-1, 1, 2]])
    with emulated_gpu(8):
        found, _ = ops.zbuffer(points, faces, (4, 4))
    assert found.unique().tolist() == [1]


def test_no_memory_left(emulated_gpu):
    rows = sparse(4, 4, .5, 0)
    with emulated_gpu(8, memory_fails=True):
        with pytest.raises(MemoryError, match='ran out of memory'):
            ops.sparse_product(rows, rows)
        with pytest.raises(MemoryError, match='ran out of memory'):
            ops.reciprocal_sets(torch.zeros(1, 1, dtype=torch.int32), 1, 1)


@pytest.mark.skipif(shutil.which('nvcc') is None, reason='needs nvcc')
def test_nvcc_makes_the_library(monkeypatch, tmp_path):
    monkeypatch.delenv('NVCC', raising=False)
    monkeypatch.setattr(build_module, 'library_folders', lambda: [tmp_path])
    path = build('cuda', ('80', '90'))
    assert path == tmp_path / library_name('cuda')
    library = ctypes.CDLL(str(path))
    assert all(hasattr(library, name) for name in KERNELS)
    if not torch.cuda.is_available():
        one, null = ctypes.c_int64(1), ctypes.c_void_p(None)
        assert library.reciprocal_sets(null, one, one, one, one, null, null, null) == 2
