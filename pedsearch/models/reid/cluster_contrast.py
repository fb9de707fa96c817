"""Cluster Contrast: pseudo labels of every epoch, and a memory with one row per cluster.

Shape legend: B images, N training images, C channels before and D after the neck.
"""

from mmengine.model import BaseModule
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..memories import PendingUpdate, cluster_means
from .base_reid import labels_of


@MODELS.register_module()
class ClusterContrastHead(BaseModule):
    """Contrast of every embedding with the centroids of all clusters, the only loss.

    Before an epoch ``PseudoLabelHook`` extracts all training images, clusters them, labels the training set and calls
    :meth:`reset_memory`; after each step ``MemoryUpdateHook`` calls :meth:`update_memory`.

    Args:
        embed_dims: D.
        memory: a :class:`~pedsearch.models.memories.ClusterMemory`.
        init_cfg: as in mmengine.

    Source: Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022.
    Deviation: none in the losses; the memory changes after the optimizer's step.
    """

    def __init__(self, embed_dims: int, memory: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.memory = MODELS.build(dict(memory or dict(type='ClusterMemory'), embed_dims=embed_dims))
        self._pending = PendingUpdate()

    def loss(self, feats: Tensor, neck_feats: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """``loss_contrast`` of ``neck_feats`` (B, D); the features before the neck (B, C) are not used."""
        labels = labels_of(data_samples, neck_feats.device)
        self._pending.add(neck_feats, labels)
        return dict(loss_contrast=self.memory.loss(neck_feats, labels))

    def update_memory(self) -> None:
        """Write the batches since the last call into the memory; called after the optimizer's step."""
        for embed, labels in self._pending.take():
            self.memory.update(embed, labels)

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        """Start over with the mean of each cluster; ``feats`` (N, D) unit rows, ``labels`` (N,), -1 for outliers."""
        self._pending.take()  # an epoch may end between two steps, and those labels mean nothing now
        self.memory.reset(cluster_means(feats, labels))
