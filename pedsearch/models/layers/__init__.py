"""Layers shared by several methods."""

from .cross_process_batch_norm import CrossProcessBatchNorm1d, CrossProcessBatchNorm2d
from .pooling import global_max_pool
from .resnet_stage import ResNetStage

__all__ = ['CrossProcessBatchNorm1d', 'CrossProcessBatchNorm2d', 'ResNetStage', 'global_max_pool']
