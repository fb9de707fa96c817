"""Pure array maths: neighbours, ranking, re-ranking, boxes, average precision, search and detection protocols."""

from .attributes import AttributeAccuracy, attribute_accuracy
from .average_precision import average_precision, precision_at_hits
from .boxes import check_bboxes, paired_iou, pairwise_iou, search_iou_threshold, xywh_to_xyxy
from .cbgm import ContextMatching, match_contexts
from .detection import evaluate_detection, mutual_best_match
from .detection_table import DetectionTable
from .query_expansion import average_query_expansion
from .ranking import QueryRanks, rank_metrics, rank_queries
from .reranking import k_reciprocal_rerank
from .search import evaluate_search
from .search_query import SearchQuery
from .similarity import DistinctRows
from .spatio_temporal import GapDistribution, joint_distance

__all__ = [
    'AttributeAccuracy', 'ContextMatching', 'DetectionTable', 'DistinctRows', 'GapDistribution', 'QueryRanks',
    'SearchQuery', 'attribute_accuracy', 'average_precision', 'average_query_expansion', 'check_bboxes',
    'evaluate_detection', 'evaluate_search', 'joint_distance', 'k_reciprocal_rerank', 'match_contexts',
    'mutual_best_match', 'paired_iou', 'pairwise_iou', 'precision_at_hits', 'rank_metrics', 'rank_queries',
    'search_iou_threshold', 'xywh_to_xyxy'
]
