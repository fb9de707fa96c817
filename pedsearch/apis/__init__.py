"""What users call: search for a person with a trained model."""

from .gallery_index import GalleryIndex, SearchHit
from .person_search_inferencer import Detections, PersonSearchInferencer

__all__ = ['Detections', 'GalleryIndex', 'PersonSearchInferencer', 'SearchHit']
