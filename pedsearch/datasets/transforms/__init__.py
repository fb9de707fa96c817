"""Pipeline steps of person search; geometry in between is mmdet's (``mmdet.Resize``, ``mmdet.RandomFlip``, ...)."""

from .formatting import PackSearchInputs
from .loading import LoadSceneImage, LoadSearchAnnotations

__all__ = ['LoadSceneImage', 'LoadSearchAnnotations', 'PackSearchInputs']
