"""Images of people with captions and attributes."""

from .annotations import AnnotationFile, AttributeSchema, Caption, DescribedImage, caption_group, write_annotations
from .caption_writer import write_caption
from .crop_annotation import CropRule, annotate_crops, label_probabilities
from .pedestrian_multimodal import PedestrianMultiModalDataset
from .template_captions import caption_attributes, template_captions

__all__ = [
    'AnnotationFile', 'AttributeSchema', 'Caption', 'CropRule', 'DescribedImage', 'PedestrianMultiModalDataset',
    'annotate_crops', 'caption_attributes', 'caption_group', 'label_probabilities', 'template_captions',
    'write_annotations', 'write_caption'
]
