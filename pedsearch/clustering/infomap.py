"""InfoMap: clusters in which a random walk along similar features stays.

Shape legend: N points, D embedding dimensions, P links.
"""

from typing import Any

import numpy as np

from pedsearch.functional.neighbours import nearest_neighbours, unit_rows
from pedsearch.functional.settings import check_count

from .labels import NOISE, number_by_first_member
from .settings import check_ratio
from .similarity_graph import ROUNDING


def infomap_labels(feats: Any, *, k: int = 15, min_sim: float = 0.5, min_size: int = 5, seed: int = 123) -> np.ndarray:
    """Cluster features with the two-level, directed map equation.

    Args:
        feats (array-like | torch.Tensor): (N, D) features, L2-normalised inside.
        k (int): neighbours of a point, itself included. Defaults to 15.
        min_sim (float): least cosine similarity of a link, in (0, 1]. Defaults to 0.5.
        min_size (int): members that a cluster needs; smaller ones become noise. Defaults to 5.
        seed (int): seed of the search, >= 1. Defaults to 123.

    Returns:
        numpy.ndarray: (N,) int64 clusters 0..K-1, numbered by their lowest member, or -1, noise.

    Raises:
        ImportError: if the package infomap is not installed. It is under the GPL, older releases under the AGPL, so
            nothing here depends on it.
        ValueError: if a setting is out of range, or for features that are not finite numbers (N, D).

    Source: Rosvall and Bergstrom, PNAS 2008; links and settings of ClusterContrast (Dai et al., ACCV 2022), released
    code. Deviation: none.
    """
    min_size, seed = check_count(min_size, 'min_size'), check_count(seed, 'seed')
    try:
        from infomap import Infomap
    except ImportError as error:
        raise ImportError('infomap_labels needs the package infomap, which is under the GPL or AGPL; '
                          'pip install infomap, or use dbscan_labels') from error
    sources, targets, weights = infomap_links(feats, k, min_sim)
    labels = np.full(len(feats), NOISE, dtype=np.int64)
    if not len(sources):
        return labels
    network = Infomap(f'--two-level --directed --silent --seed {seed}')
    network.add_links(zip(sources.tolist(), targets.tolist(), weights.tolist()))
    result = network.run()
    module_of = result.modules() if result is not None else network.get_modules()  # nothing returned before 2.9
    modules = np.array(list(module_of.items()), dtype=np.int64)  # a row for each leaf: point, module
    sizes = np.bincount(modules[:, 1])
    modules = modules[sizes[modules[:, 1]] >= min_size]
    labels[modules[:, 0]] = modules[:, 1]
    return number_by_first_member(labels)


def infomap_links(feats: Any, k: int, min_sim: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Links from each point to those of its ``k`` nearest neighbours that are similar enough.

    Args:
        feats (array-like | torch.Tensor): (N, D) features, L2-normalised inside.
        k (int): neighbours of a point, itself included; it gets no link to itself.
        min_sim (float): least cosine similarity of a link, in (0, 1], up to 1e-6.

    Returns:
        tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray]: (P,) int64 sources, (P,) int64 targets, (P,) float64 cosine
        similarities; sorted by source, then by falling similarity.

    Raises:
        ValueError: if a setting is out of range, or for features that are not finite numbers (N, D).

    Source: ClusterContrast, released code. Deviation: none.
    """
    k, min_sim = check_count(k, 'k'), check_ratio(min_sim, 'min_sim')
    neighbours = nearest_neighbours(unit_rows(feats), k)
    targets = neighbours.indices.cpu().numpy()  # (N, k)
    weights = 1 - neighbours.sq_dists.cpu().numpy() / 2  # (N, k), of unit vectors
    linked = (weights >= min_sim - ROUNDING) & (targets != np.arange(len(targets))[:, None])
    sources, _ = np.nonzero(linked)
    return sources, targets[linked], weights[linked]
