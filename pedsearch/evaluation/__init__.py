"""Metrics gather over processes, evaluate with :mod:`pedsearch.functional`, log and dump; features go to files."""

from .feature_file import FeatureTable, read_features, write_features
from .reid_metric import ReIDMetric
from .search_metric import PersonSearchMetric
from .search_protocol import build_queries, other_camera_queries, random_embeds

__all__ = [
    'FeatureTable', 'PersonSearchMetric', 'ReIDMetric', 'build_queries', 'other_camera_queries', 'random_embeds',
    'read_features', 'write_features'
]
