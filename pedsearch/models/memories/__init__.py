"""Memories: buffers that losses compare with, each changed by one named method."""

from .cluster_memory import ClusterMemory, cluster_means
from .hybrid_memory import HybridMemory
from .oim_memory import OIMMemory
from .pending_update import PendingUpdate

__all__ = ['ClusterMemory', 'HybridMemory', 'OIMMemory', 'PendingUpdate', 'cluster_means']
