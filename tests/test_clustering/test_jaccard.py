import numpy as np
import pytest
import scipy.sparse
import torch

from pedsearch.clustering import jaccard_similarity
from pedsearch.ops import reference_kernels

from ..plain_reciprocal import clustered, jaccard


def at_angles(*degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def distances(num, pairs):
    """Matrix of distances 1 but for the given pairs and the diagonal."""
    matrix = np.ones((num, num))
    np.fill_diagonal(matrix, 0)
    for (i, j), value in pairs.items():
        matrix[i, j] = matrix[j, i] = value
    return matrix


SIX = at_angles(0, 10, 25, 90, 100, 180)
TWO_GROUPS = at_angles(0, 9, 20, 90, 100, 112)


@pytest.mark.parametrize(('feats', 'k2', 'pairs'), [
    (SIX, 2, {(0, 1): 0, (0, 2): .063603, (1, 2): .063603, (3, 4): 0, (3, 5): .666667, (4, 5): .666667}),
    (SIX, 1, {(0, 1): .049627, (0, 2): .123285, (1, 2): .077380, (3, 4): .029928}),
    (TWO_GROUPS, 1, {(0, 1): .035769, (0, 2): .079032, (1, 2): .044835, (3, 4): .043099, (3, 5): .094179,
                     (4, 5): .053324}),
    (TWO_GROUPS, 2, {(0, 1): 0, (0, 2): .040312, (1, 2): .040312, (3, 4): 0, (3, 5): .048225, (4, 5): .048225}),
])
def test_published_numbers(feats, k2, pairs):
    similarity = jaccard_similarity(feats, k1=3, k2=k2)
    np.testing.assert_allclose(1 - similarity.toarray(), distances(6, pairs), atol=1e-5)


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
@pytest.mark.parametrize(('k1', 'k2'), [(8, 3), (7, 1), (5, 9), (2, 2), (1, 1)])
@pytest.mark.parametrize('twins', [0, 25])
def test_equals_the_dense_formula(k1, k2, twins, dtype):
    feats = clustered(70, twins=twins, seed=k1, dtype=dtype)
    expected = jaccard(feats.astype(np.float64), k1, k2)
    for feats_given in (feats, torch.from_numpy(feats)):
        similarity = jaccard_similarity(feats_given, k1=k1, k2=k2)
        np.testing.assert_allclose(1 - similarity.toarray(), expected, atol=2e-7)
    with reference_kernels():
        reference = jaccard_similarity(feats, k1=k1, k2=k2)
    np.testing.assert_allclose(reference.toarray(), similarity.toarray(), atol=1e-7)


def test_form_of_the_result():
    similarity = jaccard_similarity(clustered(90, twins=30), k1=10, k2=4)
    assert type(similarity) is scipy.sparse.csr_matrix
    assert similarity.dtype == np.float32
    assert similarity.has_canonical_format
    assert (similarity != similarity.T).nnz == 0
    assert (similarity.diagonal() == 1).all()
    assert similarity.data.min() > 0
    assert similarity.data.max() <= 1


def test_far_groups_share_nothing():
    feats = np.concatenate([clustered(40, per_cluster=40) + 20 * np.eye(8)[axis] for axis in range(3)])
    similarity = jaccard_similarity(feats, k1=10, k2=3)
    groups = np.arange(120) // 40
    rows, columns = similarity.nonzero()
    assert (groups[rows] == groups[columns]).all()


@pytest.mark.parametrize('native', [True, False])
def test_small_similarities_can_be_left_out(native):
    feats = clustered(120, noise=0.8)
    whole = jaccard_similarity(feats, k1=12, k2=3)
    whole.data[whole.data < 0.3] = 0
    whole.eliminate_zeros()
    if native:
        pruned = jaccard_similarity(feats, k1=12, k2=3, min_similarity=0.3)
    else:
        with reference_kernels():
            pruned = jaccard_similarity(feats, k1=12, k2=3, min_similarity=0.3)
    assert pruned.nnz == whole.nnz > 120
    np.testing.assert_allclose(pruned.toarray(), whole.toarray(), atol=1e-7)


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize(('feats', 'num_pairs', 'lowest'), [
    (np.zeros((0, 4)), 0, 1), (np.ones((1, 4)), 1, 1), (np.ones((4, 3)), 16, 1), (np.zeros((4, 3)), 16, 1),
    (np.eye(2), 4, 1 / 3)], ids=['none', 'one', 'equal', 'zero', 'fewer than k1'])
def test_few_points(feats, num_pairs, lowest, native):
    # Two points, d^2 = 2, k1 > 2: v = (1, e^-2) / (1 + e^-2) for one and mirrored for the other; k2 = 6 averages both.
    def run(k2):
        if native:
            return jaccard_similarity(feats, k2=k2)
        with reference_kernels():
            return jaccard_similarity(feats, k2=k2)
    similarity = run(6)
    assert similarity.shape == (len(feats), len(feats))
    assert similarity.nnz == num_pairs
    assert not num_pairs or similarity.data.min() == 1
    if lowest != 1:
        shared = 2 * np.exp(-2) / (1 + np.exp(-2))
        assert run(1)[0, 1] == pytest.approx(shared / (2 - shared), abs=1e-7)


def test_more_twins_than_neighbours():
    similarity = jaccard_similarity(np.ones((50, 4)), k1=10, k2=3)
    assert (similarity.diagonal() == 1).all()
    assert (similarity[:10, :10].toarray() == 1).all()


@pytest.mark.parametrize('feats', [torch.randn(6, 40).T, torch.randn(40, 12)[:, ::2], torch.randn(40, 6).half(),
                                   torch.randn(40, 6, requires_grad=True), torch.arange(240).view(40, 6) % 7])
def test_any_tensor_will_do(feats):
    expected = jaccard(feats.detach().double().numpy(), 8, 3)
    np.testing.assert_allclose(1 - jaccard_similarity(feats, k1=8, k2=3).toarray(), expected, atol=2e-7)


@pytest.mark.parametrize(('settings', 'message'), [
    (dict(k1=0), 'k1 must be an int >= 1, got 0'), (dict(k2=2.5), 'k2 must be an int >= 1, got 2.5'),
    (dict(k1=True), 'k1 must be an int >= 1, got True'),
    (dict(min_similarity=1.5), r'min_similarity must be in \[0, 1\], got 1.5')])
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        jaccard_similarity(np.eye(3), **settings)


def test_features_that_are_not_finite():
    with pytest.raises(ValueError, match=r'feats must be finite, got NaN or infinity in 1 of 3 rows \(first: row 1\)'):
        jaccard_similarity([[1., 0.], [np.nan, 1.], [0., 1.]])
