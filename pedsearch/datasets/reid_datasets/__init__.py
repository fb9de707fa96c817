"""Re-identification datasets: crops of one person each, with identities, cameras and labels that training rewrites."""

from .crop_dataset import CropDataset
from .cross_domain import CrossDomainDataset
from .duke import DukeMTMCDataset
from .market1501 import Market1501Dataset
from .msmt17 import MSMT17Dataset
from .reid_dataset import Crop, ReIDDataset

__all__ = [
    'Crop', 'CropDataset', 'CrossDomainDataset', 'DukeMTMCDataset', 'MSMT17Dataset', 'Market1501Dataset', 'ReIDDataset'
]
