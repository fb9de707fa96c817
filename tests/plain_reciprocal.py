"""k-reciprocal neighbours as the papers write them: sets and dense matrices, one point at a time, float64."""

import numpy as np


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)


def sq_dists(points):
    return ((points[:, None] - points[None])**2).sum(axis=-1)


def neighbour_lists(points, k):
    """Itself first, then by distance, then by index."""
    dists = sq_dists(points).round(12)
    return [sorted(range(len(points)), key=lambda j, i=i: (j != i, dists[i, j], j))[:k] for i in range(len(points))]


def reciprocal_sets(lists, k, k_half):
    def reciprocal(i, size):
        return {j for j in lists[i][:size] if i in lists[j][:size]}

    sets = []
    for i in range(len(lists)):
        core = reciprocal(i, k)
        expanded = set(core)
        for candidate in core:
            half = reciprocal(candidate, k_half)
            if len(half & core) > 2 / 3 * len(half):
                expanded |= half
        sets.append(sorted(expanded))
    return sets


def encoding(points, k, k_half, k2, scales=None, power=1):
    lists = neighbour_lists(points, k)
    dists = sq_dists(points) / (1 if scales is None else scales[:, None])
    weights = np.zeros(dists.shape)
    for i, members in enumerate(reciprocal_sets(lists, k, k_half)):
        weights[i, members] = np.exp(-dists[i, members]**power)
        weights[i] /= weights[i].sum()
    return np.stack([weights[lists[i][:k2]].mean(axis=0) for i in range(len(points))])


def jaccard_distance(left, right):
    shared = np.array([[np.minimum(a, b).sum() for b in right] for a in left]).reshape(len(left), len(right))
    return np.maximum(1 - shared / (2 - shared), 0)


def jaccard(feats, k1, k2):
    rows = encoding(unit(feats), k1, round(k1 / 2) + 1, k2)
    return jaccard_distance(rows, rows)


def rerank(query, gallery, k1, k2, lambda_value, power=1):
    points = unit(np.concatenate([query, gallery]))
    dists = sq_dists(points)
    largest = dists.max(axis=1)
    rows = encoding(points, k1 + 1, round(k1 / 2) + 1, k2, largest, power)
    q = len(query)
    original = (dists[:q, q:] / largest[:q, None])**power
    return (1 - lambda_value) * jaccard_distance(rows[:q], rows[q:]) + lambda_value * original


def clustered(num, dims=8, per_cluster=6, noise=0.4, twins=0, seed=0, dtype=np.float64):
    """Points around random centres; the last ``twins`` repeat the first ones."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, num // per_cluster), dims))
    points = centres[rng.integers(len(centres), size=num)] + noise * rng.standard_normal((num, dims))
    if twins:
        points[-twins:] = points[:twins]
    return points.astype(dtype)
