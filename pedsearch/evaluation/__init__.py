"""Metrics: shells that gather over processes, evaluate with :mod:`pedsearch.functional`, log and dump."""

from .reid_metric import ReIDMetric
from .search_metric import PersonSearchMetric
from .search_protocol import build_queries, other_camera_queries, random_embeds

__all__ = ['PersonSearchMetric', 'ReIDMetric', 'build_queries', 'other_camera_queries', 'random_embeds']
