"""Clusterers that a config names: features, and where known their scenes, in; pseudo labels out.

Shape legend: N points, D embedding dimensions.
"""

from typing import Any

import numpy as np

from pedsearch.functional.settings import check_count
from pedsearch.registry import TASK_UTILS

from .adaptive_eps import adaptive_eps
from .dbscan import dbscan_labels
from .infomap import infomap_labels
from .jaccard import jaccard_similarity
from .kmeans import check_backend, kmeans_labels
from .labels import number_by_first_member
from .reliability import reliable_labels
from .scene_constraint import split_same_scene
from .settings import check_eps, check_ratio
from .similarity_graph import ROUNDING


class SceneAwareCluster:
    """Base of the clusterers: where scenes are known, no two boxes of one scene share a cluster.

    A subclass writes :meth:`cluster`.
    """

    def cluster(self, feats: Any) -> np.ndarray:
        """Labels (N,) int64 of ``feats`` (N, D) alone, -1 = outlier."""
        raise NotImplementedError(f'{type(self).__name__} must implement cluster()')

    def __call__(self, feats: Any, scene_ids: Any = None) -> np.ndarray:
        """Cluster.

        Args:
            feats (array-like | torch.Tensor): (N, D) features, L2-normalised inside.
            scene_ids (Sequence[int | str] | numpy.ndarray | torch.Tensor | None): (N,) the image that each box lies in,
                see :func:`~pedsearch.clustering.split_same_scene`. Defaults to None: nothing is split.

        Returns:
            numpy.ndarray: (N,) int64 labels, -1 = outlier. A box that leaves its cluster is a cluster of its own.
        """
        labels = self.cluster(feats)
        return labels if scene_ids is None else split_same_scene(labels, feats, scene_ids)


@TASK_UTILS.register_module()
class DBSCANCluster(SceneAwareCluster):
    """DBSCAN on the k-reciprocal Jaccard distance.

    Args:
        eps (float | str): radius, in [0, 1), or 'adaptive', see :func:`~pedsearch.clustering.adaptive_eps`.
            Defaults to 0.6.
        min_samples (int): neighbours, itself included, that make a core point. Defaults to 4.
        k1 (int): neighbours, itself included, of the Jaccard distance. Defaults to 30.
        k2 (int): neighbours, itself included, that are averaged. Defaults to 6.
        eps_ratio (float | None): share of the distances that an adaptive eps is the mean of, in (0, 1]; goes with
            ``eps='adaptive'`` only. Defaults to None.

    Raises:
        ValueError: if a setting is out of range.

    Source: settings of ClusterContrast (Dai et al., ACCV 2022). Deviation: none.

    Example:
        >>> import numpy as np
        >>> angles = np.deg2rad([0, 1, 2, 80, 81, 82])
        >>> DBSCANCluster(min_samples=2, k1=3, k2=1)(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        array([0, 0, 0, 1, 1, 1])
    """

    def __init__(self, eps: float | str = 0.6, min_samples: int = 4, k1: int = 30, k2: int = 6,
                 eps_ratio: float | None = None) -> None:
        if (eps == 'adaptive') != (eps_ratio is not None):
            raise ValueError(f"eps='adaptive' and eps_ratio go together, got eps={eps!r}, eps_ratio={eps_ratio!r}")
        if eps_ratio is None and check_eps(eps).ndim:
            raise ValueError(f'eps must be one number, got {eps!r}; dbscan_labels takes several')
        self.eps = eps if eps == 'adaptive' else float(eps)
        self.eps_ratio = eps_ratio if eps_ratio is None else check_ratio(eps_ratio, 'eps_ratio')
        self.min_samples = check_count(min_samples, 'min_samples')
        self.k1, self.k2 = check_count(k1, 'k1'), check_count(k2, 'k2')

    def cluster(self, feats: Any) -> np.ndarray:
        """Cluster ``feats`` (N, D), L2-normalised inside; returns labels (N,) int64, -1 = outlier."""
        if self.eps_ratio is None:
            needed = max(0.0, 1 - self.eps - 2 * ROUNDING)  # once for the tolerance of eps, once for float32
            similarity = jaccard_similarity(feats, k1=self.k1, k2=self.k2, min_similarity=needed)
            return dbscan_labels(similarity, eps=self.eps, min_samples=self.min_samples)
        similarity = jaccard_similarity(feats, k1=self.k1, k2=self.k2)
        eps = min(adaptive_eps(similarity, ratio=self.eps_ratio), np.nextafter(1, 0))  # all distances may be 1
        return dbscan_labels(similarity, eps=eps, min_samples=self.min_samples)


@TASK_UTILS.register_module()
class ReliableDBSCANCluster:
    """DBSCAN at three radii; of each cluster those members stay that a tighter and a looser clustering confirm.

    Every point gets a label: what DBSCAN calls noise, and what leaves its cluster, is a cluster of its own.

    Args:
        eps (float): radius, in [0, 1). Defaults to 0.6.
        gap (float): the tight radius is ``eps - gap``, the loose one ``eps + gap``. Defaults to 0.02.
        min_samples, k1, k2 (int): as :class:`DBSCANCluster`.
        split_scenes (bool): keep boxes of one scene apart in all three clusterings, before they are compared, where
            scenes are given. Defaults to True.

    State: the threshold of the independence, computed at the first call and kept, see
    :func:`~pedsearch.clustering.reliable_labels`.

    Raises:
        ValueError: if a setting is out of range.

    Source: SpCL (Ge et al., NeurIPS 2020), released code; with scenes CGPS (Yan et al., AAAI 2022) and DICL, released
    code. Deviation: see :func:`~pedsearch.clustering.split_same_scene`; the threshold can be stored and taken back.
    """

    def __init__(self, eps: float = 0.6, gap: float = 0.02, min_samples: int = 4, k1: int = 30, k2: int = 6,
                 split_scenes: bool = True) -> None:
        self.radii = check_eps([eps - gap, eps, eps + gap])
        if gap <= 0:
            raise ValueError(f'gap must be positive, got {gap}')
        self.min_samples = check_count(min_samples, 'min_samples')
        self.k1, self.k2 = check_count(k1, 'k1'), check_count(k2, 'k2')
        self.split_scenes = split_scenes
        self.threshold: float | None = None

    def __call__(self, feats: Any, scene_ids: Any = None) -> np.ndarray:
        """As :meth:`SceneAwareCluster.__call__`, but returns labels (N,) int64, 0...K-1 without -1."""
        needed = max(0.0, 1 - self.radii.max() - 2 * ROUNDING)
        similarity = jaccard_similarity(feats, k1=self.k1, k2=self.k2, min_similarity=needed)
        labelings = dbscan_labels(similarity, eps=self.radii, min_samples=self.min_samples)  # (3, N)
        if self.split_scenes and scene_ids is not None:
            labelings = [split_same_scene(labels, feats, scene_ids) for labels in labelings]
        tight, normal, loose = labelings
        labels, self.threshold = reliable_labels(normal, tight, loose, threshold=self.threshold)
        return number_by_first_member(labels)

    def state_dict(self) -> dict[str, float | None]:
        """The threshold, for a checkpoint."""
        return dict(threshold=self.threshold)

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Take the threshold of a checkpoint."""
        self.threshold = state['threshold']


@TASK_UTILS.register_module()
class InfoMapCluster(SceneAwareCluster):
    """Two-level InfoMap on the links between similar neighbours; needs the package infomap (GPL or AGPL).

    Args: as :func:`~pedsearch.clustering.infomap_labels`.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(self, k: int = 15, min_sim: float = 0.5, min_size: int = 5, seed: int = 123) -> None:
        self.k, self.min_sim = check_count(k, 'k'), check_ratio(min_sim, 'min_sim')
        self.min_size, self.seed = check_count(min_size, 'min_size'), check_count(seed, 'seed')

    def cluster(self, feats: Any) -> np.ndarray:
        """Cluster ``feats`` (N, D); returns labels (N,) int64, -1 = outlier."""
        return infomap_labels(feats, k=self.k, min_sim=self.min_sim, min_size=self.min_size, seed=self.seed)


@TASK_UTILS.register_module()
class KMeansCluster(SceneAwareCluster):
    """k-means; every point belongs to a cluster.

    Args: as :func:`~pedsearch.clustering.kmeans_labels`.

    Raises:
        ValueError: if a setting is out of range.
    """

    def __init__(self, num_clusters: int, seed: int = 0, num_iters: int = 25, num_starts: int = 1,
                 backend: str = 'auto') -> None:
        self.num_clusters, self.seed = check_count(num_clusters, 'num_clusters'), check_count(seed, 'seed', at_least=0)
        self.num_iters, self.num_starts = check_count(num_iters, 'num_iters'), check_count(num_starts, 'num_starts')
        self.backend = check_backend(backend)

    def cluster(self, feats: Any) -> np.ndarray:
        """Cluster ``feats`` (N, D); returns labels (N,) int64."""
        return kmeans_labels(feats, self.num_clusters, seed=self.seed, num_iters=self.num_iters,
                             num_starts=self.num_starts, backend=self.backend)
