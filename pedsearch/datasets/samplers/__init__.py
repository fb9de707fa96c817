"""Samplers whose order depends on the run's seed and the epoch alone, never on the number of processes."""

from .epoch_sampler import EpochSampler

__all__ = ['EpochSampler']
