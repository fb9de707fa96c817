"""Pipeline steps of person search and re-identification.

Geometry in between is mmdet's (scenes with boxes: ``mmdet.Resize``, ``mmdet.RandomFlip``) and mmpretrain's (crops:
``mmpretrain.Resize``, ``mmpretrain.RandomFlip``, ``mmpretrain.RandomCrop``).
"""

from .captions import PickCaption
from .formatting import PackMultiModalInputs, PackReIDInputs, PackSearchInputs
from .loading import LoadImage, LoadSearchAnnotations
from .mesh_views import LoadMeshViews
from .photo_views import PhotoViews
from .random_erasing import RandomErasing

__all__ = [
    'LoadImage', 'LoadMeshViews', 'LoadSearchAnnotations', 'PackMultiModalInputs', 'PackReIDInputs', 'PackSearchInputs',
    'PhotoViews', 'PickCaption', 'RandomErasing'
]
