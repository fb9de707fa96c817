"""Pseudo labels: from features to clusters, and what is known about their quality."""

from .adaptive_eps import adaptive_eps
from .clusterers import DBSCANCluster, InfoMapCluster, KMeansCluster, ReliableDBSCANCluster
from .dbscan import dbscan_labels
from .infomap import infomap_labels, infomap_links
from .jaccard import jaccard_similarity
from .kmeans import kmeans_labels
from .labels import noise_to_singletons
from .quality import clustering_quality
from .reliability import reliable_labels
from .scene_constraint import split_same_scene

__all__ = [
    'DBSCANCluster', 'InfoMapCluster', 'KMeansCluster', 'ReliableDBSCANCluster', 'adaptive_eps', 'clustering_quality',
    'dbscan_labels', 'infomap_labels', 'infomap_links', 'jaccard_similarity', 'kmeans_labels', 'noise_to_singletons',
    'reliable_labels', 'split_same_scene'
]
