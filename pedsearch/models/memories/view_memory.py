"""One row per training image, and the contrast of photos and their turned views with it.

Shape legend: B photos, N rows, K negatives, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import UNLABELED

from ..losses import info_nce, mean_across_processes
from .checks import check_memory_settings, check_rows
from .momentum_update import momentum_update
from .process_gather import gather_in_rank_order
from .random_keys import random_keys
from .resizable import ResizableBuffers


@MODELS.register_module()
class ViewMemory(ResizableBuffers):
    """A row for every training image; rows with the same pseudo label are positives of each other, outliers of nobody.

    A photo f and its turned view g are compared with the photo's own row M[i], with a row M[j] drawn from those of its
    label (its own among them), and with up to K rows M[n] drawn from all others:

    * ``loss_view``: f with M[j], against negatives of g ('generated') or f ('own');
    * ``loss_turned``: g with M[i], against negatives of g;
    * ``loss_turned_positive``: g with M[j], against negatives of g.

    Args:
        embed_dims: D.
        temperature: > 0.
        momentum: weight of the old row in an update, in [0, 1].
        num_negatives: K; a photo with fewer rows of other labels takes all of them.
        negatives: 'own' or 'generated', whose similarities repel f. With 'generated' f is attracted only, as in the
            released code.
        shared_positive: draw one j for both terms, or one for each.

    State:
        embeds (N, D) float32, unit rows. Replaced by :meth:`reset`, changed by :meth:`update`; N = 0 before.
        labels (N,) int64 pseudo label of each row, -1 for outliers. Replaced by :meth:`reset` and :meth:`set_labels`.

    Source: Chen et al., "Joint Generative and Contrastive Learning for Unsupervised Person Re-identification", CVPR
    2021, section 3.3, and the released code.
    Deviation: rows change after the optimizer's step; draws depend on the samples' seeds alone; where there are fewer
    than K negatives, all are taken.
    """

    def __init__(self, embed_dims: int, temperature: float = 0.04, momentum: float = 0.2, num_negatives: int = 8192,
                 negatives: str = 'own', shared_positive: bool = True) -> None:
        super().__init__()
        check_memory_settings('ViewMemory', embed_dims, temperature, momentum)
        if num_negatives < 1:
            raise ValueError(f'num_negatives must be >= 1, got {num_negatives}')
        if negatives not in ('own', 'generated'):
            raise ValueError(f"negatives must be 'own' or 'generated', got {negatives!r}")
        self.temperature = temperature
        self.momentum = momentum
        self.num_negatives = num_negatives
        self.negatives = negatives
        self.shared_positive = shared_positive
        self.register_buffer('embeds', torch.zeros(0, embed_dims))
        self.register_buffer('labels', torch.zeros(0, dtype=torch.long))

    @torch.no_grad()
    def reset(self, embeds: Tensor, labels: Tensor | None = None) -> None:
        """Start over with these rows.

        Args:
            embeds (Tensor): (N, D), normalised here.
            labels (Tensor, optional): (N,), see :meth:`set_labels`; None: all outliers.

        Raises:
            ValueError: the shape is wrong, or a row is zero or not finite.
        """
        if embeds.ndim != 2 or embeds.size(1) != self.embeds.size(1):
            raise ValueError(f'embeds must have shape (N, {self.embeds.size(1)}), got {tuple(embeds.shape)}')
        bad = (~embeds.isfinite().all(dim=1) | (embeds == 0).all(dim=1)).nonzero().flatten()
        if len(bad):
            raise ValueError(f'embeds must be finite and not zero, got {len(bad)} that are not, first: {int(bad[0])}; '
                             'look for an overflow in the model')
        self.embeds = F.normalize(embeds.to(self.embeds), dim=1)
        self.set_labels(torch.full((len(embeds), ), UNLABELED) if labels is None else labels)

    def set_labels(self, labels: Tensor) -> None:
        """Say which rows belong together.

        Args:
            labels (Tensor): (N,) integers, -1 for outliers.

        Raises:
            ValueError: the shape is wrong or a label is below -1.
        """
        if labels.shape != self.embeds.shape[:1]:
            raise ValueError(f'labels must have shape ({len(self.embeds)},), one a row, got {tuple(labels.shape)}')
        if len(labels) and labels.min() < UNLABELED:
            raise ValueError(f'labels must be -1 (outlier) or >= 0, got {int(labels.min())}')
        self.labels = labels.to(self.labels).clone()

    def loss(self, photo: Tensor, rows: Tensor, seeds: Tensor, turned: Tensor | None = None) -> dict[str, Tensor]:
        """The contrast with the rows as they are now; the gradient goes to the embeddings only.

        Args:
            photo (Tensor): (B, D) embeddings f, normalised here.
            rows (Tensor): (B,) integers, the row of each; its label is not that of outliers.
            seeds (Tensor): (B,) int64 that the draws depend on.
            turned (Tensor, optional): (B, D) embeddings g of the turned views, normalised here; None: ``loss_view``
                alone, against negatives of f.

        Returns:
            dict[str, Tensor]: the terms, () each, means over all samples.

        Raises:
            ValueError: shapes or rows do not fit.
        """
        self._check(photo, rows)
        rows = rows.long()
        with torch.autocast(photo.device.type, enabled=False):
            bank = self.embeds.clone()  # backward needs it as it is now, whenever the update comes
            sims = F.normalize(photo.float(), dim=1) @ bank.T  # (B, D) @ (D, N) -> (B, N)
            same = (self.labels == self.labels[rows][:, None]) & (self.labels != UNLABELED)
            same = same.scatter(1, rows[:, None], True)  # the row itself, also that of an outlier
            positives = self.draw_positives(same, seeds)
            negatives, keep = self.draw_negatives(same, seeds)
            if turned is None:
                terms = dict(loss_view=self._term(sims, positives[0], sims, negatives, keep))
            else:
                of_turned = F.normalize(turned.float(), dim=1) @ bank.T
                repelling = sims if self.negatives == 'own' else of_turned
                terms = dict(
                    loss_view=self._term(sims, positives[1], repelling, negatives, keep),
                    loss_turned=self._term(of_turned, rows, of_turned, negatives, keep),
                    loss_turned_positive=self._term(of_turned, positives[0], of_turned, negatives, keep))
        return {name: mean_across_processes(term.sum(), len(rows)) for name, term in terms.items()}

    def draw_positives(self, same: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """For each sample a row of its label for the turned view and one for the photo.

        Args:
            same (Tensor): (B, N) bool, rows of the sample's label.
            seeds (Tensor): (B,).

        Returns:
            tuple[Tensor, Tensor]: (B,) int64 each, the same where ``shared_positive``.
        """
        draws = [random_keys(seeds, same.size(1), stream).masked_fill(~same, -1).argmax(dim=1) for stream in (1, 2)]
        return draws[0], draws[0] if self.shared_positive else draws[1]

    def draw_negatives(self, same: Tensor, seeds: Tensor) -> tuple[Tensor, Tensor]:
        """For each sample rows of other labels, without replacement.

        Args:
            same (Tensor): (B, N) bool, rows of the sample's label.
            seeds (Tensor): (B,).

        Returns:
            tuple[Tensor, Tensor]: (B, min(K, N)) int64 rows and bool, whether a row is one.
        """
        if self.num_negatives >= same.size(1):
            return torch.arange(same.size(1), device=same.device).expand_as(same), ~same
        keys = random_keys(seeds, same.size(1)).masked_fill(same, -1)
        drawn, rows = keys.topk(self.num_negatives, dim=1, sorted=False)
        return rows, drawn >= 0

    def _term(self, sims: Tensor, positives: Tensor, repelling: Tensor, negatives: Tensor, keep: Tensor) -> Tensor:
        """InfoNCE (B,) of similarities (B, N) to all rows."""
        return info_nce(sims.gather(1, positives[:, None])[:, 0], repelling.gather(1, negatives), self.temperature,
                        keep)

    @torch.no_grad()
    def update(self, embed: Tensor, rows: Tensor) -> None:
        """Write photos into their rows, sample after sample: ``row = normalise(momentum * row + (1 - momentum) * x)``.

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
