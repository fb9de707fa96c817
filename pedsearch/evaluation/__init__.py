"""Metrics gather over processes, evaluate with :mod:`pedsearch.functional`, log and dump; features go to files."""

from .attribute_metric import PedestrianAttributeMetric
from .feature_file import FeatureTable, read_features, write_features
from .json_dump import write_json
from .reid_metric import ReIDMetric
from .search_metric import PersonSearchMetric
from .search_protocol import build_queries, other_camera_queries, random_embeds
from .sentence_search import evaluate_sentence_search
from .text_retrieval_metric import TextRetrievalMetric
from .view_quality import EmbeddingExtractor, frechet_distance, view_quality

__all__ = [
    'EmbeddingExtractor', 'FeatureTable', 'PedestrianAttributeMetric', 'PersonSearchMetric', 'ReIDMetric',
    'TextRetrievalMetric', 'build_queries', 'evaluate_sentence_search', 'frechet_distance', 'other_camera_queries',
    'random_embeds', 'read_features', 'view_quality', 'write_features', 'write_json'
]
