"""SpCL: a memory with a row for every image, clustered itself before each epoch; with or without a source domain.

Shape legend: B images, N training images (source first), S source identities, T target images, C channels before and D
after the neck.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..memories import PendingUpdate, cluster_means
from .base_reid import labels_of


@MODELS.register_module()
class SpCLHead(BaseModule):
    """Contrast with source classes, clusters and outliers, all of them classes of one memory.

    The memory's rows are the S centroids of the source identities, then one row per target image. ``PseudoLabelHook``
    fills it once (:meth:`init_memory`), afterwards clusters :meth:`memory_feats` before each epoch instead of
    extracting features again, and calls :meth:`reset_memory` with the labels, in which every outlier is a class of its
    own.

    Args:
        embed_dims: D.
        memory: a :class:`~pedsearch.models.memories.HybridMemory`.
        init_cfg: as in mmengine.

    State: ``layout`` (2,) int64, the number of source images and of source identities; set by :meth:`init_memory`. The
    memory's buffers.

    Source: Ge et al., "Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID", NeurIPS
    2020. Deviation: see :class:`~pedsearch.models.memories.HybridMemory`.
    """

    def __init__(self, embed_dims: int, memory: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.memory = MODELS.build(dict(memory or dict(type='HybridMemory'), embed_dims=embed_dims))
        self.register_buffer('layout', torch.zeros(2, dtype=torch.long))
        self._pending = PendingUpdate()

    def loss(self, feats: Tensor, neck_feats: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """``loss_target`` and, with a source domain, ``loss_source`` of ``neck_feats`` (B, D), means of their own."""
        rows = self._rows(data_samples, neck_feats.device)
        self._pending.add(neck_feats, rows)
        source = rows < self.layout[1]
        losses = dict(loss_target=self.memory.loss(neck_feats[~source], rows[~source]))
        if self.layout[1] > 0:
            losses['loss_source'] = self.memory.loss(neck_feats[source], rows[source])
        return losses

    def _rows(self, data_samples: list[ReIDDataSample], device: torch.device) -> Tensor:
        """Row of each sample (B,): its identity in the source domain, its image in the target domain."""
        labels = labels_of(data_samples, device)
        sample_inds = torch.tensor([sample.sample_idx for sample in data_samples], device=device)
        num_images, num_ids = self.layout
        return torch.where(sample_inds < num_images, labels, sample_inds - num_images + num_ids)

    def update_memory(self) -> None:
        """Write the batches since the last call into the memory; called after the optimizer's step."""
        for embed, rows in self._pending.take():
            self.memory.update(embed, rows)

    def init_memory(self, feats: Tensor, source_labels: Tensor | None = None) -> None:
        """Fill the memory.

        Args:
            feats (Tensor): (N, D) L2-normalised embeddings of the training set, source first.
            source_labels (Tensor, optional): (number of source images,) int64 identities 0...S-1; None without source
                domain.
        """
        self._pending.take()
        if source_labels is None:
            source_labels = self.layout.new_zeros(0)
        num_images = len(source_labels)
        centroids = cluster_means(feats[:num_images], source_labels)
        self.memory.reset(torch.cat([centroids, feats[num_images:]]))
        self.layout.copy_(torch.tensor([num_images, len(centroids)]))

    def memory_feats(self) -> Tensor:
        """Rows of the target images (T, D)."""
        return self.memory.embeds[self.layout[1]:]

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        """Say which class each target image belongs to, ``labels`` (T,); the rows, ``feats`` (T, D), stay."""
        num_ids = int(self.layout[1])
        self.memory.set_labels(torch.cat([torch.arange(num_ids), labels.cpu() + num_ids]))
