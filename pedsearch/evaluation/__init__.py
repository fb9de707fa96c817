"""Metrics: shells that gather over processes, evaluate with :mod:`pedsearch.functional`, log and dump."""

from .search_metric import PersonSearchMetric
from .search_protocol import build_queries, other_camera_queries, random_embeds

__all__ = ['PersonSearchMetric', 'build_queries', 'other_camera_queries', 'random_embeds']
