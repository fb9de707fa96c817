"""Re-identification: backbones, the model that turns a person's crop into an embedding, and its heads."""

from .agw import AGWHead
from .base_reid import ReIDModel
from .bot import BoTHead
from .cluster_contrast import ClusterContrastHead
from .gcl import GCL, GCLHead
from .gcl_plus import GCLPlus, GCLPlusHead
from .mgn import MGNHead, MGNPooling, MGNResNet
from .osnet import FCNeck, OSNet, WeightedPooling
from .reid_mobilenet import ReIDMobileNetV2
from .reid_resnet import ReIDResNet
from .spcl import SpCLHead

__all__ = [
    'AGWHead', 'BoTHead', 'ClusterContrastHead', 'FCNeck', 'GCL', 'GCLHead', 'GCLPlus', 'GCLPlusHead', 'MGNHead',
    'MGNPooling', 'MGNResNet', 'OSNet', 'ReIDMobileNetV2', 'ReIDModel', 'ReIDResNet', 'SpCLHead', 'WeightedPooling'
]
