"""Cluster centres as they were before an epoch, as a classifier.

Shape legend: B samples, K clusters, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pedsearch.registry import MODELS

from .checks import check_memory_settings
from .resizable import ResizableBuffers


@MODELS.register_module()
class Prototypes(ResizableBuffers):
    """Centres of the clusters, fixed until the next clustering.

    Args:
        embed_dims: D.
        temperature: > 0, of the cosines.
        logits: 'cosine': similarity over temperature; 'raw': dot product of features and centres as they are, neither
            normalised, as in the released code.

    State:
        centroids (K, D) float32, means of the members' unit embeddings, not normalised. Replaced by :meth:`reset`;
        K = 0 before.

    Source: Chen et al., "Learning Invariance from Generated Variance for Unsupervised Person Re-identification", TPAMI
    2023, and its released code. Deviation: 'cosine', see docs/deviations.md.

    Example:
        >>> prototypes = Prototypes(embed_dims=2, logits='raw')
        >>> prototypes.reset(torch.tensor([[1., 0.], [0., 1.], [-.6, -.8]]))
        >>> prototypes(torch.tensor([[3., 4.]]))
        tensor([[ 3.,  4., -5.]])
    """

    def __init__(self, embed_dims: int, temperature: float = 0.04, logits: str = 'cosine') -> None:
        super().__init__()
        check_memory_settings('Prototypes', embed_dims, temperature, momentum=1.)
        if logits not in ('cosine', 'raw'):
            raise ValueError(f"logits must be 'cosine' or 'raw', got {logits!r}")
        self.temperature = temperature
        self.logits = logits
        self.register_buffer('centroids', torch.zeros(0, embed_dims))

    @torch.no_grad()
    def reset(self, centroids: Tensor) -> None:
        """Take these centres (K, D), for example :func:`~pedsearch.models.memories.cluster_means`."""
        if centroids.ndim != 2 or centroids.size(1) != self.centroids.size(1) or not len(centroids):
            raise ValueError(f'centroids must have shape (K, {self.centroids.size(1)}), K >= 1, got '
                             f'{tuple(centroids.shape)}')
        self.centroids = centroids.to(self.centroids).clone()

    def forward(self, feats: Tensor) -> Tensor:
        """Logits (B, K) of features (B, D) as the neck gives them.

        Raises:
            ValueError: there are no centres yet.
        """
        if not len(self.centroids):
            raise ValueError('there are no prototypes yet; call reset(centroids) after clustering')
        with torch.autocast(feats.device.type, enabled=False):
            if self.logits == 'raw':
                return feats.float() @ self.centroids.T  # (B, D) @ (D, K) -> (B, K)
            return F.normalize(feats.float(), dim=1) @ F.normalize(self.centroids, dim=1).T / self.temperature
