"""Images of people with captions and attributes."""

from .annotations import AnnotationFile, AttributeSchema, Caption, DescribedImage, caption_group, write_annotations
from .caption_writer import write_caption
from .pedestrian_multimodal import PedestrianMultiModalDataset

__all__ = [
    'AnnotationFile', 'AttributeSchema', 'Caption', 'DescribedImage', 'PedestrianMultiModalDataset', 'caption_group',
    'write_annotations', 'write_caption'
]
