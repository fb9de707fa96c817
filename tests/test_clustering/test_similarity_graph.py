import numpy as np
import pytest
import torch
from scipy import sparse

from pedsearch.clustering import similarity_graph
from pedsearch.clustering.similarity_graph import check_similarity, close_pairs

FORMATS = ('csr', 'csc', 'coo', 'lil', 'dok', 'bsr')


def random_graph(num, density=.4, seed=0):
    """Symmetric, multiples of 1/8, some stored values zero."""
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 9, (num, num)) / 8 * (rng.random((num, num)) < density))
    return upper + np.triu(upper, 1).T


def plain_pairs(dense, threshold):
    return [(i, j, dense[i, j]) for i in range(len(dense)) for j in range(i + 1, len(dense)) if dense[i, j] >= threshold]


@pytest.mark.parametrize('make', [
    np.asarray, torch.tensor, list, sparse.csr_array, sparse.coo_array,
    *(lambda dense, form=form: sparse.csr_matrix(dense).asformat(form) for form in FORMATS)])
@pytest.mark.parametrize('dtype', [np.float64, np.float32])
def test_every_format(make, dtype):
    dense = random_graph(9).astype(dtype)
    graph = check_similarity(make(dense))
    assert graph.format == 'csr'
    assert graph.has_canonical_format
    assert (graph.toarray() == dense).all()


@pytest.mark.parametrize('dtype', [np.float16, np.int64, np.uint8, bool])
def test_other_numbers_become_float32(dtype):
    graph = check_similarity(np.eye(3).astype(dtype))
    assert graph.dtype == np.float32
    assert (graph.toarray() == np.eye(3)).all()


def test_a_csr_matrix_is_not_copied():
    given = sparse.csr_matrix(random_graph(9))
    assert check_similarity(given) is given


def test_duplicates_are_summed_in_a_copy():
    given = sparse.csr_matrix((np.full(4, .25), [1, 1, 0, 0], [0, 2, 4]), shape=(2, 2))
    graph = check_similarity(given)
    assert graph.data.tolist() == [.5, .5]
    assert graph.toarray().tolist() == [[0, .5], [.5, 0]]
    assert given.nnz == 4


@pytest.mark.parametrize(('similarity', 'error', 'text'), [
    (np.zeros((2, 3)), ValueError, r'^similarity must have shape \(N, N\), got \(2, 3\); pass the graph of jaccard_similarity$'),
    (sparse.csr_matrix((2, 3)), ValueError, r'similarity must have shape \(N, N\), got \(2, 3\)'),
    (np.zeros(3), ValueError, r'similarity must have shape \(N, N\), got \(3,\)'),
    ([], ValueError, r'similarity must have shape \(N, N\), got \(0,\)'),
    ([[1, np.nan], [np.nan, 1]], ValueError, r'^similarity must be in \[0, 1\], got values from nan to nan; pass 1 - distance$'),
    ([[1, -.5], [-.5, 1]], ValueError, 'got values from -0.5 to 1.0'),
    ([[1, 2], [2, 1]], ValueError, r'similarity must be in \[0, 1\]'),
    (sparse.csr_matrix(np.eye(2) * 1j), TypeError, '^similarity must hold real numbers, got complex128$'),
    ('graph', TypeError, 'similarity must be an array of numbers, got str'),
    (None, TypeError, 'similarity must be an array of numbers, got NoneType'),
])
def test_what_is_no_similarity(similarity, error, text):
    with pytest.raises(error, match=text):
        check_similarity(similarity)


def test_rounding_beyond_the_range_is_forgiven():
    assert check_similarity(np.eye(2) * (1 + 5e-7)).nnz == 2


@pytest.mark.parametrize('block_entries', [1, 3, 2**23])
@pytest.mark.parametrize('num', [0, 1, 2, 7, 20])
def test_pairs_equal_a_plain_loop(num, block_entries, monkeypatch):
    monkeypatch.setattr(similarity_graph, '_BLOCK_ENTRIES', block_entries)
    for seed in range(5):
        dense = random_graph(num, seed=seed)
        for threshold in (1e-9, .25, .3, 1):
            lower, higher, sims = close_pairs(check_similarity(dense), threshold)
            assert list(zip(lower.tolist(), higher.tolist(), sims.tolist())) == plain_pairs(dense, threshold)


@pytest.mark.parametrize('dense', [np.triu(random_graph(9)), np.tril(random_graph(9))])
def test_half_a_graph(dense):
    with pytest.raises(ValueError, match=r'^similarity must be symmetric, but for point \d its two halves differ; '
                                         r'pass similarity.maximum\(similarity.T\)$'):
        close_pairs(check_similarity(dense), .1)


@pytest.mark.parametrize('dense', [
    [[0, .9, 0], [0, 0, 0], [.9, 0, 0]], [[1, .9], [.6, 1]], [[0, .5, .7], [.7, 0, 0], [.5, 0, 0]]])
def test_halves_that_differ_in_partners_or_values(dense):
    with pytest.raises(ValueError, match=r'^similarity must be symmetric, but for point \d its two halves differ'):
        close_pairs(check_similarity(np.array(dense)), .1)
