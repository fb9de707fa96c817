"""Data readers: scenes and crops of people, the transforms that load them, the samplers that order them."""

from .multimodal import PedestrianMultiModalDataset
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
from .search_datasets import CUHKSYSUDataset, PRWDataset, SearchDataset, SearchSceneDataset, described_people
from .transforms import (
    LoadImage,
    LoadMeshViews,
    LoadSearchAnnotations,
    PackMultiModalInputs,
    PackReIDInputs,
    PackSearchInputs,
    PhotoViews,
    PickCaption,
    RandomErasing,
)

__all__ = [
    'CUHKSYSUDataset', 'CameraSampler', 'CropDataset', 'CrossDomainDataset', 'CrossDomainSampler',
    'DukeMTMCDataset', 'EpochSampler', 'LabelledSampler', 'LoadImage', 'LoadMeshViews', 'LoadSearchAnnotations',
    'MSMT17Dataset', 'Market1501Dataset', 'MultipleGallerySampler', 'PKSampler', 'PRWDataset',
    'PackMultiModalInputs', 'PackReIDInputs', 'PackSearchInputs', 'PedestrianMultiModalDataset', 'PhotoViews',
    'PickCaption', 'RandomErasing', 'ReIDDataset', 'SearchDataset', 'SearchSceneDataset', 'described_people'
]
