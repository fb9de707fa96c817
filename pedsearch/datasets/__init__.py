"""Data readers: scenes and crops of people, the transforms that load them, the samplers that order them."""

from .reid_datasets import (
    CropDataset,
    CrossDomainDataset,
    DukeMTMCDataset,
    Market1501Dataset,
    MSMT17Dataset,
    ReIDDataset,
)
from .samplers import (
    CameraSampler,
    CrossDomainSampler,
    EpochSampler,
    LabelledSampler,
    MultipleGallerySampler,
    PKSampler,
)
from .search_datasets import CUHKSYSUDataset, PRWDataset, SearchDataset, SearchSceneDataset
from .transforms import LoadImage, LoadMeshViews, LoadSearchAnnotations, PackReIDInputs, PackSearchInputs, RandomErasing

__all__ = [
    'CUHKSYSUDataset', 'CameraSampler', 'CropDataset', 'CrossDomainDataset', 'CrossDomainSampler', 'DukeMTMCDataset',
    'EpochSampler', 'LabelledSampler', 'LoadImage', 'LoadMeshViews', 'LoadSearchAnnotations', 'MSMT17Dataset',
    'Market1501Dataset', 'MultipleGallerySampler', 'PKSampler', 'PRWDataset', 'PackReIDInputs', 'PackSearchInputs',
    'RandomErasing', 'ReIDDataset', 'SearchDataset', 'SearchSceneDataset'
]
