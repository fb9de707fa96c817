"""One row per cluster, and the softmax loss over all of them.

Shape legend: B embeddings, N samples, C clusters, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import UNLABELED

from ..losses import mean_across_processes
from .checks import check_memory_settings, check_rows
from .momentum_update import momentum_update
from .process_gather import gather_in_rank_order
from .resizable import ResizableBuffers


def cluster_means(embeds: Tensor, labels: Tensor) -> Tensor:
    """Mean embedding of every cluster; samples labelled -1 belong to none.

    Args:
        embeds (Tensor): (N, D), L2-normalised.
        labels (Tensor): (N,) int64, -1 or 0...C-1.

    Returns:
        Tensor: (C, D) float, not normalised; the zero vector for a number that no sample has.

    Example:
        >>> cluster_means(torch.tensor([[1., 0.], [0., 1.], [1., 0.]]), torch.tensor([0, 0, -1]))
        tensor([[0.5000, 0.5000]])
    """
    num = int(labels.max()) + 1 if len(labels) else 0
    sums, sizes = cluster_sums(embeds, labels, num)
    return sums / sizes.clamp(min=1)[:, None]


def cluster_sums(embeds: Tensor, labels: Tensor, num_clusters: int) -> tuple[Tensor, Tensor]:
    """Sum and number of the embeddings of every cluster; nothing waits for the device.

    Args:
        embeds (Tensor): (N, D).
        labels (Tensor): (N,) int64, -1 (in no cluster) or 0...C-1.
        num_clusters (int): C.

    Returns:
        tuple[Tensor, Tensor]: sums (C, D) and sizes (C,), both of the type of ``embeds``.
    """
    places = labels + 1  # samples without cluster add to a row of their own, which is left out
    sums = embeds.new_zeros(num_clusters + 1, embeds.size(1)).index_add_(0, places, embeds)
    sizes = embeds.new_zeros(num_clusters + 1).index_add_(0, places, embeds.new_ones(len(places)))
    return sums[1:], sizes[1:]


def least_similar(sims: Tensor, labels: Tensor) -> Tensor:
    """Of each label the sample of the smallest similarity, of equal ones the first.

    Args:
        sims (Tensor): (B,).
        labels (Tensor): (B,) int64.

    Returns:
        Tensor: (number of distinct labels,) int64 indices.
    """
    order = sims.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]  # by label, then by similarity, then by place
    first = torch.ones_like(order, dtype=torch.bool)
    first[1:] = labels[order][1:] != labels[order][:-1]
    return order[first]


@MODELS.register_module()
class ClusterMemory(ResizableBuffers):
    """Cluster centroids as a classifier.

    loss = mean over samples of ``-log softmax(centroids x / temperature)[label]``, ``x`` the normalised embedding.

    Args:
        embed_dims: D.
        temperature: > 0.
        momentum: weight of the old row in an update, in [0, 1].
        hard: update each row once with the sample that is least similar to it, not with every sample in turn.

    State:
        centroids (C, D) float32, unit rows. Replaced by :meth:`reset`, changed by :meth:`update`; C = 0 before the
        first reset.

    Source: Dai et al., "Cluster Contrast for Unsupervised Person Re-Identification", ACCV 2022, eq. 3-5, and the
    released code, which also has the hard variant.
    Deviation: the update is a method, not part of backward. With several processes every process applies the samples
    of all of them.

    Example:
        >>> memory = ClusterMemory(embed_dims=2, temperature=1.)
        >>> memory.reset(torch.tensor([[2., 0.], [0., 3.]]))
        >>> memory.loss(torch.tensor([[5., 0.]]), torch.tensor([0]))
        tensor(0.3133)
    """

    def __init__(self, embed_dims: int, temperature: float = 0.05, momentum: float = 0.1, hard: bool = False) -> None:
        super().__init__()
        check_memory_settings('ClusterMemory', embed_dims, temperature, momentum)
        self.temperature = temperature
        self.momentum = momentum
        self.hard = hard
        self.register_buffer('centroids', torch.zeros(0, embed_dims))

    @torch.no_grad()
    def reset(self, centroids: Tensor) -> None:
        """Start over with these clusters.

        Args:
            centroids (Tensor): (C, D), normalised here, for example :func:`cluster_means`.

        Raises:
            ValueError: the shape is wrong, or a row is zero or not finite.
        """
        if centroids.ndim != 2 or centroids.size(1) != self.centroids.size(1):
            raise ValueError(f'centroids must have shape (C, {self.centroids.size(1)}), got {tuple(centroids.shape)}')
        rows = F.normalize(centroids.to(self.centroids), dim=1)
        bad = (~rows.isfinite().all(dim=1) | (rows == 0).all(dim=1)).nonzero().flatten()
        if len(bad):
            raise ValueError(f'centroids must be finite and not zero, got {len(bad)} that are not, first: '
                             f'{int(bad[0])}; number clusters without gaps')
        self.centroids = rows

    def loss(self, embed: Tensor, labels: Tensor) -> Tensor:
        """Softmax loss against the centroids as they are now; the gradient goes to ``embed`` only.

        Args:
            embed (Tensor): (B, D), normalised here.
            labels (Tensor): (B,) integers; samples of -1 have no term.

        Returns:
            Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

        Raises:
            ValueError: shapes or labels do not fit, or there are no centroids yet.
        """
        self._check(embed, labels)
        with torch.autocast(embed.device.type, enabled=False):
            bank = self.centroids.clone()  # backward needs it as it is now, whenever the update comes
            logits = F.normalize(embed.float(), dim=1) @ bank.T / self.temperature  # (B, D) @ (D, C) -> (B, C)
            total = F.cross_entropy(logits, labels.long(), ignore_index=UNLABELED, reduction='sum')
        return mean_across_processes(total, (labels != UNLABELED).sum())

    @torch.no_grad()
    def update(self, embed: Tensor, labels: Tensor) -> None:
        """Write a batch into the centroids: ``row = normalise(momentum * row + (1 - momentum) * x)``.

        Sample after sample in the order of the batch; with ``hard`` once per label, with the least similar sample.
        Samples of -1 and samples that are not finite are left out. Each process holds a contiguous chunk of the global
        batch.

        Args:
            embed (Tensor): (B, D), normalised here.
            labels (Tensor): (B,) integers.

        Raises:
            ValueError: shapes or labels do not fit, or there are no centroids yet.
        """
        self._check(embed, labels)
        embed, labels = gather_in_rank_order(embed.detach().to(self.centroids), labels.long())
        kept = embed.isfinite().all(dim=1) & (labels != UNLABELED)
        embed, labels = F.normalize(embed[kept], dim=1), labels[kept]
        if self.hard:
            chosen = least_similar((embed * self.centroids[labels]).sum(dim=1), labels)
            embed, labels = embed[chosen], labels[chosen]
        momentum_update(self.centroids, embed, labels, self.momentum)

    def _check(self, embed: Tensor, labels: Tensor) -> None:
        if len(self.centroids) == 0:
            raise ValueError('the memory has no centroids yet; call reset(centroids) after clustering')
        check_rows(embed, labels, self.centroids, 'labels', at_least=UNLABELED,
                   remedy='reset the memory with the clusters of these labels')
