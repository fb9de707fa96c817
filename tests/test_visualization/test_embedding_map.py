"""Oracles: counts, separable clouds, the colours in the picture, and the same picture from the same seed."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from pedsearch.visualization import draw_embedding_map
from pedsearch.visualization.embedding_map import OUTLIER_COLOR, _palette, choose_rows, embed_on_plane


def clouds(count: int = 3, size: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features close to ``count`` axes, and which."""
    labels = np.repeat(np.arange(count), size)
    noise = np.random.default_rng(seed).normal(0, .05, (count * size, 16))
    return (np.eye(16)[labels] + noise) * np.linspace(1, 5, count * size)[:, None], labels


def has_color(picture: np.ndarray, color: tuple | str, reach: int = 14) -> bool:
    wanted = np.round(np.array(to_rgb(color)) * 255)
    return bool((np.abs(picture.astype(int) - wanted) <= reach).all(axis=2).any())


def test_rows_are_all_images_of_the_chosen_labels() -> None:
    labels = np.array([4, 9, 4, 2, -1, 9, 2, -1, -1, -1, -1, -1, -1])
    rows = choose_rows(labels, 2, seed=0)
    chosen = set(labels[rows].tolist()) - {-1}
    assert len(chosen) == 2
    assert all((labels[rows] == label).sum() == (labels == label).sum() for label in chosen)
    assert (labels[rows] == -1).sum() == 4  # as many as the others
    assert np.array_equal(rows, np.sort(rows))
    assert np.array_equal(rows, choose_rows(labels, 2, seed=0))
    assert {tuple(sorted(set(labels[choose_rows(labels, 2, seed)]))) for seed in range(20)} == {
        (-1, 2, 4), (-1, 2, 9), (-1, 4, 9)}
    with pytest.raises(ValueError, match='num_labels must be >= 1, got 0'):
        choose_rows(labels, 0, seed=0)


def test_clouds_stay_apart_whatever_the_length_of_the_features() -> None:
    feats, labels = clouds()
    points = embed_on_plane(feats, seed=0)
    centres = np.stack([points[labels == label].mean(axis=0) for label in range(3)])
    nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, labels)
    lengths = np.random.default_rng(1).uniform(.1, 9, (len(feats), 1))
    assert np.allclose(embed_on_plane(feats * lengths, seed=0), points, atol=1e-2 * np.ptp(points))


def test_picture_shows_the_labels_and_the_outliers() -> None:
    feats, labels = clouds()
    plain = draw_embedding_map(feats, labels)
    assert plain.dtype == np.uint8
    assert plain.shape[2] == 3
    assert all(has_color(plain, color) for color in _palette(3))
    assert not has_color(plain, OUTLIER_COLOR, reach=3)
    assert np.array_equal(plain, draw_embedding_map(feats, labels))
    labels[::4] = -1
    mixed = draw_embedding_map(feats, labels, np.arange(len(labels)) % 15, label_name='cluster')
    assert has_color(mixed, OUTLIER_COLOR, reach=3)


def test_title_counts(monkeypatch) -> None:
    titles = []
    monkeypatch.setattr('pedsearch.visualization.embedding_map._plot', lambda *args: titles.append(args[-1]))
    feats, labels = clouds(count=4, size=3)
    draw_embedding_map(feats, labels, num_labels=2)
    labels[:2] = -1
    draw_embedding_map(feats, labels, num_labels=99, label_name='cluster')
    assert titles == ['t-SNE of 6 images: 2 of 4 identities', 't-SNE of 12 images: 4 of 4 clusters, 2 outliers']


@pytest.mark.parametrize('count', [1, 20, 50])
def test_colours_differ(count: int) -> None:
    assert len({tuple(np.round(color[:3], 3)) for color in _palette(count)}) == count


def test_input_that_cannot_be_drawn_is_refused() -> None:
    feats, labels = clouds()
    with pytest.raises(ValueError, match=r'must have the same N, got \(24, 16\), \(23,\), \(23,\)'):
        draw_embedding_map(feats, labels[1:])
    with pytest.raises(ValueError, match='a map needs 4 images or more, got 0 of 24 with a label'):
        draw_embedding_map(feats, np.full(24, -1))
