import numpy as np
import pytest
import torch

from pedsearch.clustering import clustering_quality


def plain_quality(labels, identities):
    """By sets of pairs and sums of logarithms."""
    known = [(label if label >= 0 else ('noise', i), pid)
             for i, (label, pid) in enumerate(zip(labels, identities)) if pid >= 0]
    num = len(known)
    together = lambda column: {(i, j) for i in range(num) for j in range(i) if known[i][column] == known[j][column]}  # noqa: E731
    same_label, same_pid = together(0), together(1)
    by_chance = len(same_label) * len(same_pid) / (num * (num - 1) / 2)
    ari = (len(same_label & same_pid) - by_chance) / ((len(same_label) + len(same_pid)) / 2 - by_chance)
    share = lambda entry: np.mean([entry in ((pair,), pair[:1], pair[1:]) for pair in known])  # noqa: E731
    mutual = sum(share((pair,)) * np.log(share((pair,)) / share(pair[:1]) / share(pair[1:])) for pair in set(known))
    entropies = [-sum(share(part) * np.log(share(part)) for part in {pair[side] for pair in known})
                 for side in (slice(0, 1), slice(1, 2))]
    clustered = [pair for pair in known if not isinstance(pair[0], tuple)]
    clusters = {label: [pid for other, pid in clustered if other == label] for label, _ in clustered}
    return {'ari': ari, 'nmi': mutual / np.mean(entropies),
            'purity': sum(max(map(pids.count, pids)) for pids in clusters.values()) / len(clustered),
            'outlier_share': 1 - len(clustered) / num, 'num_clusters': len(clusters)}


@pytest.mark.parametrize('seed', range(15))
def test_equals_the_definitions(seed):
    rng = np.random.default_rng(seed)
    identities = rng.integers(100, 106, 40)
    labels = np.where(rng.random(40) < .7, identities - 100, rng.integers(-1, 9, 40))
    identities[rng.random(40) < .2] = -1
    quality = clustering_quality(labels, identities)
    assert quality == pytest.approx(plain_quality(labels.tolist(), identities.tolist()))
    assert list(quality) == ['ari', 'nmi', 'purity', 'outlier_share', 'num_clusters']
    assert [type(value) for value in quality.values()] == [float] * 4 + [int]


def test_five_points():
    quality = clustering_quality([0, 0, 0, 1, -1], [7, 7, 8, 9, 9])
    assert quality['purity'] == .75
    assert quality['outlier_share'] == pytest.approx(.2)
    assert quality['num_clusters'] == 2


def test_right_labels_under_other_numbers():
    quality = clustering_quality(torch.tensor([5, 5, 0, 0, 2]), [1, 1, 4, 4, 3])
    assert quality == pytest.approx({'ari': 1, 'nmi': 1, 'purity': 1, 'outlier_share': 0, 'num_clusters': 3})


def test_noise_is_no_cluster():
    quality = clustering_quality([-1] * 40, [0, 1] * 20)
    assert quality['ari'] == 0
    assert quality['outlier_share'] == 1
    assert quality['num_clusters'] == 0
    assert np.isnan(quality['purity'])


@pytest.mark.parametrize(('labels', 'identities'), [([], []), ([0, 0, -1], [-1, -1, -1])])
def test_undefined(labels, identities):
    quality = clustering_quality(labels, identities)
    assert quality.pop('num_clusters') == 0
    assert np.isnan(list(quality.values())).all()


def test_one_point():
    assert clustering_quality([3], [5]) == {'ari': 1, 'nmi': 1, 'purity': 1, 'outlier_share': 0, 'num_clusters': 1}


@pytest.mark.parametrize(('labels', 'identities', 'error', 'text'), [
    ([0, 1], [0], ValueError, 'identities must have 2 entries, one a point, got 1'),
    ([0., 1.], [0, 1], TypeError, 'labels must hold integers, got float64'),
    ([0, 1], [0, -7], ValueError, r'identities must be -1 \(unknown\) or an identity >= 0, got -7'),
])
def test_bad_input(labels, identities, error, text):
    with pytest.raises(error, match=text):
        clustering_quality(labels, identities)
