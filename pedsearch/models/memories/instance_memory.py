"""One row per annotated person box, and the softmax loss over the hardest of the clusters they form.

Shape legend: B embeddings, N slots, K clusters, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pedsearch.ops import hard_negative_softmax
from pedsearch.registry import MODELS

from ..losses import mean_across_processes
from .checks import check_memory_settings, check_rows
from .class_logits import ClassCount, class_means, row_products
from .hard_negatives import with_gradients
from .momentum_update import momentum_update
from .process_gather import gather_in_sample_order
from .resizable import ResizableBuffers

ROWS_AT_ONCE = 128  # what C libraries hand out again and again; larger matrices come from the system, page by page


@MODELS.register_module()
class InstanceMemory(ResizableBuffers):
    """A row for every annotated box, its slot, grouped into clusters by labels that change during training.

    loss = mean over samples of :func:`~pedsearch.ops.hard_negative_softmax`; the logits are the mean
    similarities to the slots of every cluster, divided by the temperature.

    Args:
        num_slots: N, may be 0 where :meth:`reset` or a checkpoint brings the slots.
        embed_dims: D.
        temperature: > 0.
        momentum: weight of the old row in an update, in [0, 1].
        top_percent: part of the negatives' probability that takes part in the loss, in (0, 1]; 1 takes all of them.
        eps: >= 0, added to the denominator and inside the logarithm; 0 for the plain log-softmax.

    State:
        feats (N, D) float32, unit rows, or zero: a slot that nothing was written to, which competes at similarity 0.
            Replaced by :meth:`reset`, changed by :meth:`update`.
        labels (N,) int64, cluster of each slot, >= 0; at first each is its own. Replaced by :meth:`reset` and
            :meth:`set_labels`.

    Source: Yan et al., "Exploring Visual Context for Weakly Supervised Person Search", AAAI 2022, the memory of CGPS,
    which DICL uses too, and the released code. With ``top_percent=1`` and ``eps=0`` it is :class:`HybridMemory`'s loss.
    Deviation: see :func:`~pedsearch.ops.hardest_negatives`. The update is a method, not part of backward.

    Example:
        >>> memory = InstanceMemory(num_slots=2, embed_dims=2, temperature=1.)
        >>> memory.update(torch.tensor([[3., 0.], [0., 2.]]), torch.tensor([0, 1]))
        >>> memory.loss(torch.tensor([[5., 0.]]), torch.tensor([0]))
        tensor(0.3133)
    """

    def __init__(self, num_slots: int, embed_dims: int, temperature: float = 0.05, momentum: float = 0.2,
                 top_percent: float = 0.6, eps: float = 1e-6) -> None:
        super().__init__()
        check_memory_settings('InstanceMemory', embed_dims, temperature, momentum)
        if num_slots < 0:
            raise ValueError(f'num_slots must be >= 0, got {num_slots}; it is the number of annotated boxes of the '
                             'training set (`dataset.num_slots`)')
        if not 0 < top_percent <= 1:
            raise ValueError(f'top_percent must lie in (0, 1], got {top_percent}; 1 keeps all negatives')
        if not eps >= 0:
            raise ValueError(f'eps must be >= 0, got {eps}; 0 is the plain log-softmax')
        self.temperature = temperature
        self.momentum = momentum
        self.top_percent = top_percent
        self.eps = eps
        self.register_buffer('feats', torch.zeros(num_slots, embed_dims))
        self.register_buffer('labels', torch.arange(num_slots))
        self._count_clusters = ClassCount()

    @torch.no_grad()
    def reset(self, feats: Tensor, labels: Tensor | None = None) -> None:
        """Start over with these slots, as many as they are.

        Args:
            feats (Tensor): (N, D), normalised here; zero rows stay zero.
            labels (Tensor, optional): (N,), see :meth:`set_labels`; None: every slot is a cluster.

        Raises:
            ValueError: the shape is wrong, or a row is not finite.
        """
        if feats.ndim != 2 or feats.size(1) != self.feats.size(1):
            raise ValueError(f'feats must have shape (N, {self.feats.size(1)}), got {tuple(feats.shape)}; one row a '
                             'slot')
        bad = (~feats.isfinite().all(dim=1)).nonzero().flatten()
        if len(bad):
            raise ValueError(f'feats must be finite, got {len(bad)} rows that are not, first: {int(bad[0])}; look for '
                             'an overflow in the model')
        labels = torch.arange(len(feats)) if labels is None else labels
        self._check_labels(labels, len(feats))
        self.feats = F.normalize(feats.to(self.feats), dim=1)
        self.set_labels(labels)

    def set_labels(self, labels: Tensor) -> None:
        """Say which cluster each slot belongs to.

        Args:
            labels (Tensor): (N,) integers >= 0. An outlier is a cluster of its own.

        Raises:
            ValueError: the shape is wrong or a label is negative.
        """
        self._check_labels(labels, len(self.feats))
        self.labels = labels.to(self.labels).clone()
        self._count_clusters(self.labels)

    def loss(self, embed: Tensor, slots: Tensor) -> Tensor:
        """Loss against the clusters as they are now; the gradient goes to ``embed`` only.

        Args:
            embed (Tensor): (B, D), normalised here.
            slots (Tensor): (B,) integers, the slot of each sample.

        Returns:
            Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes; 0 with a
            graph where there is no sample.

        Raises:
            ValueError: shapes or slots do not fit.
        """
        self._check(embed, slots)
        with torch.autocast(embed.device.type, enabled=False):
            rows = self.feats.to(torch.promote_types(self.feats.dtype, torch.float32))
            embed = F.normalize(embed.to(rows.dtype), dim=1)
            if not len(slots):
                return mean_across_processes(embed.sum(), 0)
            terms = self._terms(embed, rows, self.labels[slots.long()])
        return mean_across_processes(terms.sum(), len(terms))

    def _terms(self, embed: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
        """Losses (B,) of unit embeddings (B, D) with these labels, with their gradients: backward needs no (B, K)."""
        with torch.no_grad():
            clusters = self._count_clusters.rows(self.labels)
            means = class_means(rows, clusters)  # (K, D)
            terms, gradients = [], []
            for part, part_labels in zip((embed / self.temperature).split(ROWS_AT_ONCE), labels.split(ROWS_AT_ONCE)):
                logits = row_products(part, means)  # (B, D) @ (D, K) -> (B, K)
                if clusters.shift is not None:
                    logits += clusters.shift
                losses, slopes = hard_negative_softmax(logits, part_labels, self.top_percent, self.eps, overwrite=True)
                terms.append(losses)
                gradients.append(row_products(slopes, means.T))  # (B, K) @ (K, D) -> (B, D)
        return with_gradients(embed, torch.cat(terms), torch.cat(gradients) / self.temperature)

    @torch.no_grad()
    def update(self, embed: Tensor, slots: Tensor, sample_inds: Tensor | None = None) -> None:
        """Write a batch into its slots, row after row: ``slot = normalise(momentum * slot + (1 - momentum) * x)``.

        The order matters: of several rows of one slot the last weighs most. Rows that are not finite are left out. With
        several processes every process applies the rows of all of them in the same order.

        Args:
            embed (Tensor): (B, D), normalised here.
            slots (Tensor): (B,) integers, the slot of each row.
            sample_inds (Tensor, optional): (B,) int64, not decreasing: each row's sample in this process' batch. It
                sets the order over processes; None takes every row for a sample of its own.

        Raises:
            ValueError: shapes or slots do not fit.
        """
        self._check(embed, slots)
        if sample_inds is None:
            sample_inds = torch.arange(len(slots), device=slots.device)
        embed, slots = gather_in_sample_order(sample_inds, embed.detach().to(self.feats), slots.long())
        momentum_update(self.feats, F.normalize(embed, dim=1), slots, self.momentum)

    def _check(self, embed: Tensor, slots: Tensor) -> None:
        check_rows(embed, slots, self.feats, 'slots', at_least=0,
                   remedy='give the memory the slots of this training set (`dataset.num_slots`)')

    @staticmethod
    def _check_labels(labels: Tensor, num_slots: int) -> None:
        if labels.shape != (num_slots, ):
            raise ValueError(f'labels must have shape ({num_slots},), one a slot, got {tuple(labels.shape)}')
        if len(labels) and labels.min() < 0:
            raise ValueError(f'labels must be >= 0, got {int(labels.min())}; make outliers clusters of their own '
                             '(noise_to_singletons)')
