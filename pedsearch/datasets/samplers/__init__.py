"""Samplers whose order depends on the run's seed and the epoch alone, never on the number of processes."""

from .camera_sampler import CameraSampler
from .cross_domain_sampler import CrossDomainSampler
from .epoch_sampler import EpochSampler
from .global_batch_sampler import GlobalBatchSampler
from .labelled_sampler import LabelledSampler
from .multiple_gallery_sampler import MultipleGallerySampler
from .pk_sampler import PKSampler

__all__ = [
    'CameraSampler', 'CrossDomainSampler', 'EpochSampler', 'GlobalBatchSampler', 'LabelledSampler',
    'MultipleGallerySampler', 'PKSampler'
]
