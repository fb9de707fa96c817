"""One row per instance (and per source class), and the softmax loss over the classes they form.

Shape legend: B embeddings, R rows, K classes, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pedsearch.registry import MODELS

from ..losses import mean_across_processes
from .checks import check_memory_settings, check_rows
from .class_logits import ClassCount, class_logits
from .momentum_update import momentum_update
from .process_gather import gather_in_rank_order
from .resizable import ResizableBuffers


@MODELS.register_module()
class HybridMemory(ResizableBuffers):
    """A row for every training sample, grouped into classes by labels that change during training.

    loss = mean over samples of ``-log softmax(class means of rows x / temperature)[class of the sample's row]``, over
    all classes that have a row. The mean of the similarities to a class' rows is the similarity to their mean, which is
    not normalised.

    Args:
        embed_dims: D.
        temperature: > 0.
        momentum: weight of the old row in an update, in [0, 1].

    State:
        embeds (R, D) float32, unit rows. Replaced by :meth:`reset`, changed by :meth:`update`; R = 0 before.
        labels (R,) int64, class of each row, >= 0. Replaced by :meth:`reset` and :meth:`set_labels`.

    Source: Ge et al., "Self-paced Contrastive Learning with Hybrid Memory for Domain Adaptive Object Re-ID", NeurIPS
    2020, eq. 2-4, and the released code.
    Deviation: log-softmax in the place of the code's logarithm of a sum plus 1e-6, which caps a sample's loss at 13.8.
    The update is a method, not part of backward, so the loss of one domain never meets rows that the other has moved.

    Example:
        >>> memory = HybridMemory(embed_dims=2, temperature=1.)
        >>> memory.reset(torch.tensor([[1., 0.], [0., 1.]]), torch.tensor([0, 1]))
        >>> memory.loss(torch.tensor([[5., 0.]]), torch.tensor([0]))
        tensor(0.3133)
    """

    def __init__(self, embed_dims: int, temperature: float = 0.05, momentum: float = 0.2) -> None:
        super().__init__()
        check_memory_settings('HybridMemory', embed_dims, temperature, momentum)
        self.temperature = temperature
        self.momentum = momentum
        self.register_buffer('embeds', torch.zeros(0, embed_dims))
        self.register_buffer('labels', torch.zeros(0, dtype=torch.long))
        self._count_classes = ClassCount()

    @torch.no_grad()
    def reset(self, embeds: Tensor, labels: Tensor | None = None) -> None:
        """Start over with these rows.

        Args:
            embeds (Tensor): (R, D), normalised here.
            labels (Tensor, optional): (R,), see :meth:`set_labels`; None: every row is a class.

        Raises:
            ValueError: the shape is wrong, or a row is zero or not finite.
        """
        if embeds.ndim != 2 or embeds.size(1) != self.embeds.size(1):
            raise ValueError(f'embeds must have shape (R, {self.embeds.size(1)}), got {tuple(embeds.shape)}')
        bad = (~embeds.isfinite().all(dim=1) | (embeds == 0).all(dim=1)).nonzero().flatten()
        if len(bad):
            raise ValueError(f'embeds must be finite and not zero, got {len(bad)} that are not, first: {int(bad[0])}; '
                             'look for an overflow in the model, and number source identities without gaps')
        self.embeds = F.normalize(embeds.to(self.embeds), dim=1)
        self.set_labels(torch.arange(len(embeds)) if labels is None else labels)

    def set_labels(self, labels: Tensor) -> None:
        """Say which class each row belongs to.

        Args:
            labels (Tensor): (R,) integers >= 0. An outlier is a class of its own.

        Raises:
            ValueError: the shape is wrong or a label is negative.
        """
        if labels.shape != self.embeds.shape[:1]:
            raise ValueError(f'labels must have shape ({len(self.embeds)},), one a row, got {tuple(labels.shape)}')
        if len(labels) and labels.min() < 0:
            raise ValueError(f'labels must be >= 0, got {int(labels.min())}; make outliers classes of their own '
                             '(noise_to_singletons)')
        self.labels = labels.to(self.labels).clone()

    def loss(self, embed: Tensor, rows: Tensor) -> Tensor:
        """Softmax loss against the classes as they are now; the gradient goes to ``embed`` only.

        Args:
            embed (Tensor): (B, D), normalised here.
            rows (Tensor): (B,) integers, the row of each sample.

        Returns:
            Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

        Raises:
            ValueError: shapes or rows do not fit.
        """
        self._check(embed, rows)
        with torch.autocast(embed.device.type, enabled=False):
            logits = class_logits(F.normalize(embed.float(), dim=1), self.embeds, self.labels,
                                  self._count_classes(self.labels), self.temperature)  # (B, K)
            total = F.cross_entropy(logits, self.labels[rows.long()], reduction='sum')
        return mean_across_processes(total, len(rows))

    @torch.no_grad()
    def update(self, embed: Tensor, rows: Tensor) -> None:
        """Write a batch into its rows, sample after sample: ``row = normalise(momentum * row + (1 - momentum) * x)``.

        Samples that are not finite are left out. Each process holds a contiguous chunk of the global batch.

        Args:
            embed (Tensor): (B, D), normalised here.
            rows (Tensor): (B,) integers, the row of each sample.

        Raises:
            ValueError: shapes or rows do not fit.
        """
        self._check(embed, rows)
        embed, rows = gather_in_rank_order(embed.detach().to(self.embeds), rows.long())
        momentum_update(self.embeds, F.normalize(embed, dim=1), rows, self.momentum)

    def _check(self, embed: Tensor, rows: Tensor) -> None:
        check_rows(embed, rows, self.embeds, 'rows', at_least=0, remedy='reset the memory with this training set')
