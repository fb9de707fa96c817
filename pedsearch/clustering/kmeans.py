"""k-means of features, for a number of clusters known beforehand.

Shape legend: N points, D embedding dimensions, K clusters.
"""

from typing import Any

import numpy as np

from pedsearch.functional.neighbours import unit_rows
from pedsearch.functional.settings import check_count

from .labels import number_by_first_member

BACKENDS = ('auto', 'faiss', 'sklearn')


def kmeans_labels(feats: Any, num_clusters: int, *, seed: int = 0, num_iters: int = 25, num_starts: int = 1,
                  backend: str = 'auto') -> np.ndarray:
    """Cluster features by Lloyd's algorithm, started from randomly drawn points.

    Args:
        feats (array-like | torch.Tensor): (N, D) features, L2-normalised inside.
        num_clusters (int): clusters to look for, in [1, N].
        seed (int): seed of the random points, >= 0. Defaults to 0. The two backends draw differently.
        num_iters (int): iterations of a start. Defaults to 25.
        num_starts (int): starts, of which the one with the least error is kept. Defaults to 1.
        backend (str): 'faiss', 'sklearn', or 'auto', faiss where it is installed.

    Returns:
        numpy.ndarray: (N,) int64 clusters, numbered by their lowest member. Duplicates may leave a cluster without
        members; then there are fewer than ``num_clusters``, without gaps. No point is noise.

    Raises:
        ImportError: if ``backend`` is 'faiss' and it is not installed.
        ValueError: if a setting is out of range, or for features that are not finite numbers (N, D).

    Source: Lloyd, "Least squares quantization in PCM", 1982. Deviation: none.

    Example:
        >>> kmeans_labels([[1, 0], [0, 1], [1, .1]], num_clusters=2, num_starts=5, backend='sklearn').tolist()
        [0, 1, 0]
    """
    check_backend(backend)
    num_clusters, seed = check_count(num_clusters, 'num_clusters'), check_count(seed, 'seed', at_least=0)
    num_iters, num_starts = check_count(num_iters, 'num_iters'), check_count(num_starts, 'num_starts')
    points = unit_rows(feats).float().cpu().numpy()  # (N, D)
    if num_clusters > len(points):
        raise ValueError(f'num_clusters must be at most the number of points, got {num_clusters} for {len(points)}')
    if backend == 'sklearn' or (backend == 'auto' and not _has_faiss()):
        clusters = _sklearn_clusters(points, num_clusters, seed, num_iters, num_starts)
    else:
        clusters = _faiss_clusters(points, num_clusters, seed, num_iters, num_starts)
    return number_by_first_member(clusters.astype(np.int64))


def check_backend(backend: Any) -> str:
    """``backend`` itself; ValueError unless it is one of :data:`BACKENDS`."""
    if backend not in BACKENDS:
        raise ValueError(f'backend must be one of {BACKENDS}, got {backend!r}')
    return backend


def _has_faiss() -> bool:
    try:
        import faiss  # noqa: F401
    except ImportError:
        return False
    return True


def _faiss_clusters(points: np.ndarray, num_clusters: int, seed: int, num_iters: int, num_starts: int) -> np.ndarray:
    try:
        import faiss
    except ImportError as error:
        raise ImportError("backend 'faiss' needs faiss; pip install 'pedsearch[faiss]', or use backend 'sklearn'"
                          ) from error
    kmeans = faiss.Kmeans(points.shape[1], num_clusters, niter=num_iters, nredo=num_starts, seed=seed,
                          min_points_per_centroid=1, max_points_per_centroid=len(points))  # all points, no warnings
    kmeans.train(points)
    return kmeans.index.search(points, 1)[1][:, 0]


def _sklearn_clusters(points: np.ndarray, num_clusters: int, seed: int, num_iters: int, num_starts: int) -> np.ndarray:
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    kmeans = KMeans(num_clusters, init='random', n_init=num_starts, max_iter=num_iters, random_state=seed)
    with warnings.catch_warnings():  # about duplicates
        warnings.simplefilter('ignore', ConvergenceWarning)
        return kmeans.fit_predict(points)
