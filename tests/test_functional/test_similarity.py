import numpy as np

from pedsearch.functional import DistinctRows


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
