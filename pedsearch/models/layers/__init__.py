"""Layers shared by several methods."""

from .batch_norm_conversion import convert_batch_norms
from .bn_neck import BNNeck
from .cross_process_batch_norm import CrossProcessBatchNorm1d, CrossProcessBatchNorm2d, cross_process_batch_norms
from .deform_conv import DeformConv2dPack
from .deform_roi_pool import DeformRoIPoolPack
from .domain_batch_norm import DomainBatchNorm1d, DomainBatchNorm2d, domain_batch_norms
from .mobilenet_stage import MobileNetV2Stage
from .part_codes import part_codes
from .pooling import GeMPooling, gem_pool, global_max_pool
from .resnet_stage import ResNetStage
from .split_batch_norm import SplitBatchNorm1d, SplitBatchNorm2d, split_batch_norms, sync_running_stats

__all__ = [
    'BNNeck', 'CrossProcessBatchNorm1d', 'CrossProcessBatchNorm2d', 'DeformConv2dPack', 'DeformRoIPoolPack',
    'DomainBatchNorm1d', 'DomainBatchNorm2d', 'GeMPooling', 'MobileNetV2Stage', 'ResNetStage', 'SplitBatchNorm1d',
    'SplitBatchNorm2d', 'convert_batch_norms', 'cross_process_batch_norms', 'domain_batch_norms', 'gem_pool',
    'global_max_pool', 'part_codes', 'split_batch_norms', 'sync_running_stats'
]
