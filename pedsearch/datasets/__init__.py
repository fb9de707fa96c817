"""Data readers: scenes with people, the transforms that load them, the samplers that order them."""

from .samplers import EpochSampler
from .search_datasets import CUHKSYSUDataset, PRWDataset, SearchDataset, SearchSceneDataset
from .transforms import LoadImage, LoadSearchAnnotations, PackSearchInputs

__all__ = [
    'CUHKSYSUDataset', 'EpochSampler', 'LoadImage', 'LoadSearchAnnotations', 'PRWDataset', 'PackSearchInputs',
    'SearchDataset', 'SearchSceneDataset'
]
