"""Pure array maths of person search: boxes, average precision, the search and detection protocols, context matching."""

from .average_precision import average_precision, precision_at_hits
from .boxes import check_bboxes, paired_iou, pairwise_iou, search_iou_threshold, xywh_to_xyxy
from .cbgm import ContextMatching, match_contexts
from .detection import evaluate_detection, mutual_best_match
from .detection_table import DetectionTable
from .search import evaluate_search
from .search_query import SearchQuery
from .similarity import DistinctRows

__all__ = [
    'ContextMatching', 'DetectionTable', 'DistinctRows', 'SearchQuery', 'average_precision', 'check_bboxes',
    'evaluate_detection', 'evaluate_search', 'match_contexts', 'mutual_best_match', 'paired_iou', 'pairwise_iou',
    'precision_at_hits', 'search_iou_threshold', 'xywh_to_xyxy'
]
