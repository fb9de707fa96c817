"""Memories: buffers that losses compare with, each changed by one named method."""

from .class_logits import class_logits
from .cluster_memory import ClusterMemory, cluster_means
from .feature_queue import FeatureQueue
from .hard_negatives import hard_negative_terms, hardest_negatives
from .hybrid_memory import HybridMemory
from .instance_memory import InstanceMemory
from .oim_memory import OIMMemory
from .pending_update import PendingUpdate
from .prototypes import Prototypes
from .random_keys import random_keys
from .view_memory import ViewMemory

__all__ = [
    'ClusterMemory', 'FeatureQueue', 'HybridMemory', 'InstanceMemory', 'OIMMemory', 'PendingUpdate', 'Prototypes',
    'ViewMemory', 'class_logits', 'cluster_means', 'hard_negative_terms', 'hardest_negatives', 'random_keys'
]
