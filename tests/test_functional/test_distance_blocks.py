import numpy as np
import pytest
import torch

from pedsearch.functional.distance_blocks import FeatDistances, GivenDistances

from ..plain_reciprocal import unit

EVERY = np.arange(5)


@pytest.mark.parametrize(('dtype', 'expected'), [(np.float32, torch.float32), (np.float16, torch.float32),
                                                 (np.float64, torch.float64), (np.int64, torch.float64)])
def test_features_are_ordered_as_by_euclidean_distance(dtype, expected):
    rng = np.random.default_rng(0)
    query, gallery = (10 * rng.standard_normal((num, 4)) for num in (3, 5))
    query, gallery = query.astype(dtype), gallery.astype(dtype)
    distances = FeatDistances.of(query, gallery, (3, 5), EVERY)
    block = distances.block(slice(0, 3))
    assert block.dtype == distances.dtype == expected
    plain = np.linalg.norm(unit(query)[:, None] - unit(gallery), axis=2)
    np.testing.assert_allclose(distances.euclidean(block.numpy()), plain, atol=1e-3 if expected == torch.float32 else 1e-7)
    assert (block.argsort(dim=1).numpy() == plain.argsort(axis=1)).all()


def test_integer_tensors_are_ranked_in_double_precision():
    query, gallery = torch.tensor([[1, 2]]), torch.tensor([[2, 1], [1, 3]])
    assert FeatDistances.of(query, gallery, (1, 2), np.arange(2)).dtype == torch.float64
    assert FeatDistances.of(query, gallery.float(), (1, 2), np.arange(2)).dtype == torch.float32


def test_some_columns_and_rows():
    rng = np.random.default_rng(1)
    query, gallery = rng.standard_normal((3, 4)), rng.standard_normal((5, 4))
    whole = FeatDistances.of(query, gallery, (3, 5), EVERY).block(slice(0, 3))
    part = FeatDistances.of(query, gallery, (3, 5), np.array([1, 4])).block(slice(1, 3))
    torch.testing.assert_close(part, whole[1:][:, [1, 4]])


def test_equal_columns_get_equal_distances():
    rng = np.random.default_rng(2)
    gallery = rng.standard_normal((40, 17)).astype(np.float32)
    gallery[20:] = 3 * gallery[:20]
    gallery[39] = gallery[0]
    block = FeatDistances.of(rng.standard_normal((9, 17)), gallery, (9, 40), np.arange(40)).block(slice(0, 9))
    assert (block[:, 39] == block[:, 0]).all()


@pytest.mark.parametrize('kind', [np.asarray, torch.as_tensor, np.ndarray.tolist])
def test_given_distances(kind):
    dist = np.arange(15.).reshape(3, 5)
    distances = GivenDistances.of(kind(dist), (3, 5), np.array([0, 3]))
    block = distances.block(slice(1, 3))
    assert block.tolist() == [[5, 8], [10, 13]]
    assert distances.euclidean(block) is block
    assert distances.dtype == torch.float64


@pytest.mark.parametrize(('dist', 'error', 'message'), [
    (np.zeros((5, 3)), ValueError, r'dist must have shape \(3, 5\).* got \(5, 3\)'),
    (torch.zeros(3, 5, dtype=torch.complex64), TypeError, 'dist must hold real numbers, got torch.complex64'),
    ('near', TypeError, 'dist must be an array of numbers, got str')])
def test_distances_that_are_none(dist, error, message):
    with pytest.raises(error, match=message):
        GivenDistances.of(dist, (3, 5), EVERY)


def test_nan_is_found_in_the_row_where_it_is():
    dist = np.zeros((3, 5))
    dist[2, 1] = np.nan
    distances = GivenDistances.of(dist, (3, 5), EVERY)
    distances.block(slice(0, 2))
    with pytest.raises(ValueError, match='dist must not hold NaN, got it in row 2'):
        distances.block(slice(1, 3))


def test_features_of_another_number_than_labels():
    with pytest.raises(ValueError, match='gallery_feats must have one row for each of the 5 gallery_pids, got 4'):
        FeatDistances.of(np.ones((3, 2)), np.ones((4, 2)), (3, 5), EVERY)
