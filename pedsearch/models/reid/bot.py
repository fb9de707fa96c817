"""The strong baseline "bag of tricks": identity classifier after the neck, triplet loss before it.

Shape legend: B images, C channels before and D after the neck, N identities.
"""

from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..memories import PendingUpdate
from .base_reid import labels_of


@MODELS.register_module()
class BoTHead(BaseModule):
    """Smoothed cross entropy on the neck's output, batch-hard triplet loss on its input, optionally centre loss there.

    Args:
        embed_dims: D.
        num_classes: N, identities of the training set; its labels are 0...N-1 (``dataset.num_ids``).
        cross_entropy: the classifier's loss.
        triplet: loss of features and labels.
        center: a :class:`~pedsearch.models.losses.CenterLoss`; None for none. With an embedding layer in the neck its
            ``embed_dims`` must be C.
        center_weight: weight of the centre loss.
        classifier_std: standard deviation of the classifier's initial weights.
        init_cfg: as in mmengine.

    Source: Luo et al., "Bag of Tricks and a Strong Baseline for Deep Person Re-Identification", CVPRW 2019, and the
    released code. Deviation: none.
    """

    def __init__(self, embed_dims: int, num_classes: int, cross_entropy: dict | None = None,
                 triplet: dict | None = None, center: dict | None = None, center_weight: float = 5e-4,
                 classifier_std: float = 0.001, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Linear', std=classifier_std))
        if num_classes < 1:
            raise ValueError(f'num_classes must be >= 1, got {num_classes}; take the training set\'s '
                             '(`dataset.num_ids`)')
        self.classifier = nn.Linear(embed_dims, num_classes, bias=False)
        self.cross_entropy = MODELS.build(cross_entropy or dict(type='SmoothedCrossEntropyLoss'))
        self.triplet = MODELS.build(triplet or dict(type='BatchHardTripletLoss'))
        self.center = MODELS.build({'embed_dims': embed_dims, 'num_classes': num_classes, **center}) if center else None
        self.center_weight = center_weight
        self._pending = PendingUpdate()

    @property
    def num_classes(self) -> int:
        return self.classifier.out_features

    def loss(self, feats: Tensor, neck_feats: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """``loss_id`` of ``neck_feats`` (B, D), ``loss_triplet`` and ``loss_center`` of ``feats`` (B, C).

        Raises:
            ValueError: a label is not below ``num_classes``.
        """
        labels = labels_of(data_samples, feats.device)
        if labels.max() >= self.num_classes:
            raise ValueError(f'labels must lie in 0...{self.num_classes - 1}, got {int(labels.max())}; set '
                             'model.head.num_classes to the training set\'s (`dataset.num_ids`)')
        losses = dict(loss_id=self.cross_entropy(self.classifier(neck_feats), labels),
                      loss_triplet=self.triplet(feats, labels))
        if self.center is not None:
            losses['loss_center'] = self.center_weight * self.center(feats, labels)
            self._pending.add(feats, labels)
        return losses

    def update_memory(self) -> None:
        """Move the centres to the batches since the last call; called after the optimizer's step."""
        for feats, labels in self._pending.take():
            self.center.update(feats, labels)
