"""Distance of features to the centre of their class.

Shape legend: B rows of this process' batch, C classes, D feature dimensions.
"""

import torch
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .process_rows import check_labeled_rows, gather_rows
from .reduction import mean_across_processes


def center_loss(feats: Tensor, labels: Tensor, centers: Tensor) -> Tensor:
    """Mean over rows of ``|x - c_y|^2`` (without one half).

    Args:
        feats (Tensor): (B, D), not normalised.
        labels (Tensor): (B,) int64 in 0...C-1.
        centers (Tensor): (C, D).

    Returns:
        Tensor: (), see :func:`~pedsearch.models.losses.mean_across_processes` for several processes.

    Source: Wen et al., "A Discriminative Feature Learning Approach for Deep Face Recognition", ECCV 2016, eq. 2.
    Deviation: no half, mean over rows, as the released code of "Bag of Tricks" has it.
    """
    return mean_across_processes((feats.to(centers.dtype) - centers[labels]).square().sum(), len(labels))


@MODELS.register_module()
class CenterLoss(nn.Module):
    """:func:`center_loss` with centres that follow their class.

    Args:
        num_classes: C.
        embed_dims: D, width of the features before the neck.
        rate: step of the centres along the gradient of the loss, not weighted by the loss' weight.

    State:
        centers (C, D) float32, standard normal at first, changed by :meth:`update`.

    Source: as :func:`center_loss`; the centres' step is that of "Bag of Tricks" (Luo et al., CVPRW 2019), SGD on the
    mean over the batch. Deviation: it is a method, not an optimizer.

    Example:
        >>> loss = CenterLoss(num_classes=1, embed_dims=2)
        >>> _ = loss.centers.zero_()
        >>> loss(torch.tensor([[3., 4.]]), torch.tensor([0])).item()
        25.0
    """

    def __init__(self, num_classes: int, embed_dims: int, rate: float = 0.5) -> None:
        super().__init__()
        if num_classes < 1 or embed_dims < 1:
            raise ValueError(f'CenterLoss needs num_classes >= 1 and embed_dims >= 1, got {num_classes} and '
                             f'{embed_dims}; take num_classes from the training set (`dataset.num_ids`)')
        self.rate = rate
        seed = torch.Generator().manual_seed(0)  # processes whose own seeds differ must start from the same centres
        self.register_buffer('centers', torch.randn(num_classes, embed_dims, generator=seed))

    def _check(self, feats: Tensor, labels: Tensor) -> None:
        check_labeled_rows(feats, labels, len(self.centers))
        if feats.size(1) != self.centers.size(1):
            raise ValueError(f'feats must have shape (B, {self.centers.size(1)}), got {tuple(feats.shape)}; set '
                             'embed_dims to the width of the features before the neck')

    def forward(self, feats: Tensor, labels: Tensor) -> Tensor:
        """Features (B, D), labels (B,) -> (); the gradient goes to the features only."""
        self._check(feats, labels)
        return center_loss(feats, labels, self.centers)

    @torch.no_grad()
    def update(self, feats: Tensor, labels: Tensor) -> None:
        """Move the centres one step, ``c_j -= rate * 2 / B * (sum over rows of class j of c_j - x)``.

        With several processes every process applies the rows of all of them, and B counts them all.

        Args:
            feats (Tensor): (B, D), those of the loss.
            labels (Tensor): (B,) int64.
        """
        self._check(feats, labels)
        feats, labels = gather_rows(feats.detach().to(self.centers), labels.long())
        steps = 2 * self.rate / max(len(labels), 1) * (feats - self.centers[labels])
        self.centers.index_put_((labels, ), steps, accumulate=True)
