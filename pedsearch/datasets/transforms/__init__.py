"""Pipeline steps of person search and re-identification.

Geometry in between is mmdet's (scenes with boxes: ``mmdet.Resize``, ``mmdet.RandomFlip``) and mmpretrain's (crops:
``mmpretrain.Resize``, ``mmpretrain.RandomFlip``, ``mmpretrain.RandomCrop``).
"""

from .formatting import PackReIDInputs, PackSearchInputs
from .loading import LoadImage, LoadSearchAnnotations
from .mesh_views import LoadMeshViews
from .random_erasing import RandomErasing

__all__ = [
    'LoadImage', 'LoadMeshViews', 'LoadSearchAnnotations', 'PackReIDInputs', 'PackSearchInputs', 'RandomErasing'
]
