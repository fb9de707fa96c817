import numpy as np
import pytest

from pedsearch.functional import DistinctRows, similarity


def test_products_equal_the_plain_product():
    rng = np.random.default_rng(0)
    items = rng.standard_normal((7, 5))[[0, 1, 0, 2, 6, 5, 4, 3, 3, 0]]
    queries = rng.standard_normal((3, 5))
    distinct = DistinctRows.of(items)
    assert distinct.rows.shape == (7, 5)
    np.testing.assert_allclose(distinct.similarity(queries), queries @ items.T, atol=1e-14)
    assert DistinctRows.of(items[[0, 1, 3]]).inverse is None


def test_equal_rows_tie_wherever_they_stand():
    rng = np.random.default_rng(0)
    items = rng.standard_normal((1003, 256)).astype(np.float32)
    items[rng.permutation(1003)[:500]] = items[0]
    sims = DistinctRows.of(items).similarity(rng.standard_normal((37, 256)).astype(np.float32))
    repeated = (items == items[0]).all(axis=1)
    assert (sims[:, repeated] == sims[:, :1]).all()


def plain_inverse(items):
    """Position of each row among the different ones, in the order they appear; 0.0 == -0.0 as tuples of floats."""
    seen = {}
    return [seen.setdefault(tuple(row), len(seen)) for row in items.tolist()]


@pytest.fixture(params=['codes', 'all codes equal', 'few codes'])
def row_codes(request, monkeypatch):
    """As they are, and such that different rows share one, which must not matter."""
    if request.param == 'all codes equal':
        monkeypatch.setattr(similarity, '_row_codes', lambda items: np.zeros(len(items), np.uint64))
    elif request.param == 'few codes':
        monkeypatch.setattr(similarity, '_row_codes', lambda items: (items[:, 0] > 0).astype(np.uint64))


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize('shape', [(0, 3), (1, 3), (5, 1), (40, 3), (700, 900)])
def test_distinct_rows_equal_a_dictionary(row_codes, shape, dtype):
    rng = np.random.default_rng(1)
    items = rng.choice([-1.5, -0., 0., 1.], shape).astype(dtype)
    items = items[rng.integers(0, max(1, len(items) // 2), len(items))]
    expected = plain_inverse(items)
    distinct = DistinctRows.of(items)
    if len(set(expected)) == len(expected):
        assert distinct.inverse is None
        assert distinct.rows is items
        return
    assert distinct.inverse.dtype == np.int64
    assert distinct.inverse.tolist() == expected
    assert len(distinct.rows) == max(expected) + 1
    np.testing.assert_array_equal(distinct.rows[distinct.inverse], items)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_rows_that_differ_in_signs_only_have_different_codes(dtype):
    """Such differences are one bit, often the highest, which a weighted sum of the bits would hardly tell apart."""
    signs = np.random.default_rng(2).choice([-1, 1], (20000, 64)).astype(dtype)
    assert len(np.unique(similarity._row_codes(signs))) == len(signs)


def test_strided_rows():
    items = np.arange(24.).reshape(4, 6)[[0, 1, 0, 3]]
    assert DistinctRows.of(items[:, ::2]).inverse.tolist() == [0, 1, 0, 2]
