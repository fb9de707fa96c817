"""Pipeline steps of person search; geometry in between is mmdet's (``mmdet.Resize``, ``mmdet.RandomFlip``, ...)."""

from .formatting import PackSearchInputs
from .loading import LoadImage, LoadSearchAnnotations

__all__ = ['LoadImage', 'LoadSearchAnnotations', 'PackSearchInputs']
