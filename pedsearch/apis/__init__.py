"""What users call: search for a person, embed people, with a trained model."""

from .attribute_inferencer import AttributeInferencer
from .checkpoints import check_backbone, check_start, load_weights, read_checkpoint
from .gallery_index import GalleryIndex, SearchHit
from .person_search_inferencer import Detections, PersonSearchInferencer
from .reid_inferencer import ReIDInferencer
from .reid_network import build_reid_network
from .text_search_inferencer import TextSearchInferencer
from .view_painter import ViewPainter

__all__ = [
    'AttributeInferencer', 'Detections', 'GalleryIndex', 'PersonSearchInferencer', 'ReIDInferencer', 'SearchHit',
    'TextSearchInferencer', 'ViewPainter', 'build_reid_network', 'check_backbone', 'check_start', 'load_weights',
    'read_checkpoint'
]
