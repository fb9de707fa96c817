"""Person search: one paper, one file."""

from .cgps import CGPSRoIHead
from .deform_neck import DeformC45Neck
from .dicl import DICLRoIHead
from .nae import NAERoIHead
from .oim import OIMRoIHead
from .person_search_detector import PersonSearchDetector
from .rpn_head import SearchRPNHead
from .rsiamnet import RSiamNetRoIHead
from .seqnet import SeqNetRoIHead
from .siamese_detector import SiamesePersonSearchDetector

__all__ = [
    'CGPSRoIHead', 'DICLRoIHead', 'DeformC45Neck', 'NAERoIHead', 'OIMRoIHead', 'PersonSearchDetector',
    'RSiamNetRoIHead', 'SearchRPNHead', 'SeqNetRoIHead', 'SiamesePersonSearchDetector'
]
