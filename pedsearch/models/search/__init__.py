"""Person search: one paper, one file."""

from .nae import NAERoIHead
from .oim import OIMRoIHead
from .person_search_detector import PersonSearchDetector
from .rpn_head import SearchRPNHead
from .seqnet import SeqNetRoIHead

__all__ = ['NAERoIHead', 'OIMRoIHead', 'PersonSearchDetector', 'SearchRPNHead', 'SeqNetRoIHead']
