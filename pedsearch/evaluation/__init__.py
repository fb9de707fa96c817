"""Metrics gather over processes, evaluate with :mod:`pedsearch.functional`, log and dump; features go to files."""

from .feature_file import FeatureTable, read_features, write_features
from .reid_metric import ReIDMetric
from .search_metric import PersonSearchMetric
from .search_protocol import build_queries, other_camera_queries, random_embeds
from .view_quality import EmbeddingExtractor, frechet_distance, view_quality

__all__ = [
    'EmbeddingExtractor', 'FeatureTable', 'PersonSearchMetric', 'ReIDMetric', 'build_queries', 'frechet_distance',
    'other_camera_queries', 'random_embeds', 'read_features', 'view_quality', 'write_features'
]
