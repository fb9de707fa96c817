"""What users call: search for a person, embed people, with a trained model."""

from .gallery_index import GalleryIndex, SearchHit
from .person_search_inferencer import Detections, PersonSearchInferencer
from .reid_network import build_reid_network, read_checkpoint

__all__ = [
    'Detections', 'GalleryIndex', 'PersonSearchInferencer', 'SearchHit', 'build_reid_network', 'read_checkpoint'
]
