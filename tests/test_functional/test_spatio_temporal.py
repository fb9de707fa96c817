import numpy as np
import pytest

from pedsearch.functional import GapDistribution, joint_distance


def sightings(num: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(-1, 9, num), rng.integers(0, 4, num), rng.integers(0, 5000, num)


def plain_counts(labels, cameras, frames, width, num_bins):
    counts = np.zeros((cameras.max() + 1, cameras.max() + 1, num_bins))
    for i in range(len(labels)):
        for j in range(len(labels)):
            gap = frames[i] - frames[j]
            if labels[i] == labels[j] >= 0 and gap > 0 and gap // width < num_bins:
                counts[cameras[i], cameras[j], gap // width] += 1
    return counts


def test_values_of_the_joint_distance():
    np.testing.assert_allclose(joint_distance([1, 0, .5], [0, 0, .01]), [.668898, .833333, .681600], atol=5e-7)


def test_counts_equal_a_loop_over_pairs():
    labels, cameras, frames = sightings()
    counts = plain_counts(labels, cameras, frames, 90, 40)
    found = GapDistribution.fit(labels, cameras, frames, frames_per_bin=90, num_bins=40, sigma=0)
    expected = counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    np.testing.assert_allclose(found.probabilities, expected, atol=1e-15)
    assert counts.sum() < plain_counts(labels, cameras, frames, 90, 100).sum()  # some gaps were too long


def test_smoothing_is_a_gaussian_of_sigma_bins():
    found = GapDistribution.fit([0, 0], [0, 1], [0, 5000], num_bins=101, sigma=4).probabilities[1, 0]
    expected = np.exp(-0.5 * ((np.arange(101) - 50) / 4) ** 2)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-4)
    assert not GapDistribution.fit([0, 0], [0, 1], [0, 5000], num_bins=101).probabilities[0].any()


def test_lookup_equals_a_loop():
    labels, cameras, frames = sightings()
    distribution = GapDistribution.fit(labels, cameras, frames, num_bins=30, sigma=2)
    _, query_cameras, query_frames = sightings(11, 1)
    _, gallery_cameras, gallery_frames = sightings(13, 2)
    found = distribution.lookup(query_cameras, query_frames, gallery_cameras, gallery_frames)
    for q in range(11):
        for g in range(13):
            ends = sorted([(query_frames[q], query_cameras[q]), (gallery_frames[g], gallery_cameras[g])])
            gap = (ends[1][0] - ends[0][0]) // 100
            assert found[q, g] == (distribution.probabilities[ends[1][1], ends[0][1], gap] if gap < 30 else 0)


def test_people_seen_as_usual_come_before_people_who_only_look_alike():
    seen = GapDistribution.fit([0, 0, 1, 1], [0, 1, 0, 1], [0, 500, 1000, 1530], sigma=1)
    probability = seen.lookup([1], [2500], [0, 0], [2000, 100])
    near, far = joint_distance([.5, .55], probability[0])
    assert near < far


@pytest.mark.parametrize(('changes', 'message'), [
    (dict(labels=[0]), r'must have one shape \(N,\)'),
    (dict(cameras=[0, -1]), 'cameras must be >= 0, got -1'),
    (dict(num_bins=0), 'num_bins must be >= 1'),
])
def test_bad_settings(changes, message):
    with pytest.raises(ValueError, match=message):
        GapDistribution.fit(**{'labels': [0, 0], 'cameras': [0, 1], 'frames': [0, 1], **changes})


def test_unknown_camera():
    with pytest.raises(ValueError, match=r'cameras must be in \[0, 1\]'):
        GapDistribution.fit([0, 0], [0, 1], [0, 1]).lookup([2], [0], [0], [0])
