import numpy as np
import pytest
import torch

from pedsearch.functional.neighbours import nearest_neighbours
from pedsearch.functional.reciprocal import half_list, jaccard_overlap, reciprocal_encoding

from .. import plain_reciprocal


@pytest.mark.parametrize(('k', 'entries'), [(3, 3), (5, 3), (15, 9), (20, 11), (25, 13), (30, 16)])
def test_half_list(k, entries):
    assert half_list(k) == entries


@pytest.mark.parametrize('power', [1, 2])
@pytest.mark.parametrize('k2', [1, 4])
def test_encoding_equals_the_dense_formula(k2, power):
    points = plain_reciprocal.clustered(60, twins=10)
    scales = np.linspace(1, 3, 60)
    expected = plain_reciprocal.encoding(points, 9, 5, k2, scales, power)
    points = torch.from_numpy(points)
    rows = reciprocal_encoding(points, nearest_neighbours(points, 9), k_half=5, k2=k2, scales=torch.from_numpy(scales),
                               power=power)
    np.testing.assert_allclose(rows.to_scipy().toarray(), expected, atol=1e-14)
    np.testing.assert_allclose(rows.to_scipy().sum(axis=1), 1, atol=1e-14)


def test_overlap_of_some_with_all():
    points = torch.from_numpy(plain_reciprocal.clustered(50))
    rows = reciprocal_encoding(points, nearest_neighbours(points, 8), k_half=5, k2=3)
    dense = rows.to_scipy().toarray()
    overlap = jaccard_overlap(rows.rows(0, 20), rows.rows(20, 50))
    assert overlap.values.dtype == torch.float32
    expected = plain_reciprocal.jaccard_distance(dense[:20], dense[20:])
    np.testing.assert_allclose(1 - overlap.to_scipy().toarray(), expected, atol=1e-7)
