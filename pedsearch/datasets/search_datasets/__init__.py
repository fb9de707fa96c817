"""Person search datasets: whole scenes, boxes, identities, and the search protocol of the test split."""

from .cuhk_sysu import CUHKSYSUDataset
from .prw import PRWDataset
from .search_dataset import Scene, SearchDataset
from .search_scene import SearchSceneDataset
from .sentences import described_people

__all__ = ['CUHKSYSUDataset', 'PRWDataset', 'Scene', 'SearchDataset', 'SearchSceneDataset', 'described_people']
