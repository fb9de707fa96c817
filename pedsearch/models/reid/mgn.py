"""MGN: one look at the whole person and two at stripes, each with the last layers of its own.

Shape legend: B images, H x W network input, G branches, C channels of a branch's map, h x w its positions, F features
(G of whole maps, then those of the stripes), R width of a feature, D = F R, N identities.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from ..losses import circle_logits
from .base_reid import labels_of
from .reid_resnet import ReIDResNet

GRANULARITIES = 1, 2, 3


def feature_places(granularities: Sequence[int]) -> list[slice]:
    """Where the stripes of each branch are among the F features; empty for a branch without stripes.

    Args:
        granularities (Sequence[int]): number of stripes of each branch, >= 1; 1: the whole map alone.

    Returns:
        list[slice]: G; the last one ends at F.

    Raises:
        ValueError: no branch, or one of less than 1 stripe.

    Example:
        >>> feature_places((1, 2, 3))
        [slice(3, 3, None), slice(3, 5, None), slice(5, 8, None)]
    """
    if not granularities or min(granularities) < 1:
        raise ValueError(f'granularities must be numbers of stripes >= 1, one a branch, got {granularities}; MGN has '
                         '(1, 2, 3)')
    places, end = [], len(granularities)
    for number in granularities:
        start, end = end, end + (number if number > 1 else 0)
        places.append(slice(start, end))
    return places


@MODELS.register_module()
class MGNResNet(ReIDResNet):
    """ResNet that splits into branches after the first block of its third stage.

    The first branch is the rest of the ResNet under its usual names, so any weights of a ResNet fit; the others
    (``branches.{i}``) are copies of it, made by :meth:`init_weights`. The last map holds the branches' maps one after
    the other, (B, G C, h, w); it is the only output.

    Args:
        num_branches: G.
        branch_norm: a batch norm on every branch's map. Weights of contrastive pre-training come without classifier
            behind them, and their maps are of any scale.
        **kwargs: of :class:`~pedsearch.models.reid.ReIDResNet`, without ``out_indices``; at most two stages are frozen.

    Raises:
        ValueError: fewer than one branch, more frozen stages, or other outputs.

    Source: Wang et al., "Learning Discriminative Features with Multiple Granularities for Person Re-Identification",
    ACM MM 2018, section 3; the norm is of Fu et al., "Unsupervised Pre-training for Person Re-identification", CVPR
    2021 (LUPerson). Deviation: all branches have the last stride, that of the paper's first branch is 2.
    """

    def __init__(self, depth: int = 50, num_branches: int = 3, branch_norm: bool = False, **kwargs: Any) -> None:
        if num_branches < 1:
            raise ValueError(f'num_branches must be >= 1, got {num_branches}; MGN has 3')
        if kwargs.get('frozen_stages', -1) > 2 or tuple(kwargs.get('out_indices', (3, ))) != (3, ):
            raise ValueError('MGNResNet needs frozen_stages <= 2 and no out_indices, got '
                             f'{kwargs.get("frozen_stages", -1)} and {kwargs.get("out_indices", (3, ))}')
        super().__init__(depth, **kwargs)
        self.branches = nn.ModuleList(copy.deepcopy(self._rest()) for _ in range(num_branches - 1))
        channels = num_branches * self.feat_dim
        self.branch_norm = nn.BatchNorm2d(channels) if branch_norm else nn.Identity()

    def _rest(self) -> nn.Sequential:
        """What a branch has of its own: the third stage without its first block, and the fourth."""
        return nn.Sequential(*list(self.layer3)[1:], *self.layer4)

    def init_weights(self) -> None:
        """As in mmpretrain; then every branch begins as the first one."""
        super().init_weights()
        for branch in self.branches:
            branch.load_state_dict(self._rest().state_dict())

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """(B, 3, H, W) -> (B, G C, h, w)."""
        x = self.stem(x) if self.deep_stem else self.relu(self.norm1(self.conv1(x)))
        x = self.layer3[0](self.layer2(self.layer1(self.maxpool(x))))
        maps = torch.cat([branch(x) for branch in (self._rest(), *self.branches)], dim=1)  # (B, G C, h, w)
        return (self.branch_norm(maps), )


@MODELS.register_module()
class MGNPooling(nn.Module):
    """Pools the map of every branch as a whole and in horizontal stripes, and reduces each feature.

    Stripes are as equally high as can be, upper ones one row higher.

    Args:
        in_channels: C.
        out_channels: R.
        granularities: numbers of stripes of the branches; 1: the whole map alone.
        pooling: (B, C, h, w) -> (B, C); every feature has its own.

    Source: as :class:`MGNResNet`, section 3.2. Deviation: generalised mean for the maximum, and a linear layer for
    convolution, norm and ReLU, as in fast-reid; the norm is the neck's.
    """

    def __init__(self, in_channels: int, out_channels: int = 256, granularities: Sequence[int] = GRANULARITIES,
                 pooling: dict | None = None) -> None:
        super().__init__()
        self.num_features = feature_places(granularities)[-1].stop
        self.granularities = tuple(granularities)
        self.in_channels = in_channels
        self.poolings = nn.ModuleList(
            MODELS.build(dict(pooling or dict(type='GeMPooling'))) for _ in range(self.num_features))
        self.reductions = nn.ModuleList(
            nn.Linear(in_channels, out_channels, bias=False) for _ in range(self.num_features))
        for reduction in self.reductions:
            nn.init.kaiming_normal_(reduction.weight, mode='fan_out')

    def forward(self, maps: Tensor) -> Tensor:
        """(B, G C, h, w) -> (B, D), the features of whole maps first.

        Raises:
            ValueError: another number of channels, or fewer rows than stripes.
        """
        if maps.size(1) != len(self.granularities) * self.in_channels or maps.size(2) < max(self.granularities):
            raise ValueError(
                f'maps must have shape (B, {len(self.granularities)} * {self.in_channels}, h, w) with h >= '
                f'{max(self.granularities)}, got {tuple(maps.shape)}; give the backbone as many branches as there are '
                'granularities, and images high enough')
        branches = maps.chunk(len(self.granularities), dim=1)  # G times (B, C, h, w)
        stripes = [stripe for branch, number in zip(branches, self.granularities) if number > 1
                   for stripe in branch.tensor_split(number, dim=2)]  # (B, C, h / number, w)
        return torch.cat([reduce(pool(part).flatten(1)) for part, pool, reduce in
                          zip([*branches, *stripes], self.poolings, self.reductions, strict=True)], dim=1)


@MODELS.register_module()
class MGNHead(BaseModule):
    """Classifier of every feature behind the neck; triplet loss of those of whole maps before it.

    Args:
        embed_dims: D.
        num_classes: N, identities of the training set; its labels are 0...N-1 (``dataset.num_ids``).
        granularities: as those of :class:`MGNPooling`.
        cross_entropy: the classifiers' loss, averaged over F.
        triplet: loss of features and labels, averaged over the features; soft margin by default.
        stripe_triplet: also of all stripes of a branch together, as fast-reid has it.
        circle: ``scale`` and ``margin`` of :func:`~pedsearch.models.losses.circle_logits`; None: plain linear
            classifiers.
        classifier_std: standard deviation of the classifiers' initial weights.
        init_cfg: as in mmengine.

    Raises:
        ValueError: no class, or D is not a multiple of F.

    Source: as :class:`MGNResNet`, section 3.3. Deviation: classifiers take reduced features of whole maps, too, as in
    fast-reid.
    """

    def __init__(self, embed_dims: int, num_classes: int, granularities: Sequence[int] = GRANULARITIES,
                 cross_entropy: dict | None = None, triplet: dict | None = None, stripe_triplet: bool = False,
                 circle: dict | None = None, classifier_std: float = 0.001, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or dict(type='Normal', layer='Linear', std=classifier_std))
        places = feature_places(granularities)
        num_features = places[-1].stop
        if num_classes < 1:
            raise ValueError(f'num_classes must be >= 1, got {num_classes}; take the training set\'s '
                             '(`dataset.num_ids`)')
        if embed_dims % num_features:
            raise ValueError(f'embed_dims must be a multiple of {num_features}, the number of features, got '
                             f'{embed_dims}; it is {num_features} times out_channels of MGNPooling')
        self.num_classes = num_classes
        self.num_features = num_features
        self.stripes = [place for place in places if stripe_triplet and place.stop > place.start]
        self.num_branches = len(granularities)
        self.classifiers = nn.ModuleList(
            nn.Linear(embed_dims // num_features, num_classes, bias=False) for _ in range(num_features))
        self.cross_entropy = MODELS.build(cross_entropy or dict(type='SmoothedCrossEntropyLoss'))
        self.triplet = MODELS.build(triplet or dict(type='BatchHardTripletLoss', margin=None))
        self.circle = circle

    def loss(self, feats: Tensor, neck_feats: Tensor, data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """``loss_id`` of ``neck_feats`` and ``loss_triplet`` of ``feats``, (B, D) each.

        Raises:
            ValueError: a label is not below ``num_classes``.
        """
        labels = labels_of(data_samples, feats.device)
        if labels.max() >= self.num_classes:
            raise ValueError(f'labels must lie in 0...{self.num_classes - 1}, got {int(labels.max())}; set '
                             'model.head.num_classes to the training set\'s (`dataset.num_ids`)')
        parts = feats.unflatten(1, (self.num_features, -1))  # (B, F, R)
        compared = [parts[:, place] for place in range(self.num_branches)]
        compared += [parts[:, place].flatten(1) for place in self.stripes]  # (B, stripes R)
        id_terms = [self.cross_entropy(self._logits(classifier, part, labels), labels)
                    for classifier, part in zip(self.classifiers, neck_feats.chunk(self.num_features, dim=1))]
        triplet_terms = [self.triplet(part, labels) for part in compared]
        return dict(loss_id=sum(id_terms) / len(id_terms), loss_triplet=sum(triplet_terms) / len(triplet_terms))

    def _logits(self, classifier: nn.Linear, feats: Tensor, labels: Tensor) -> Tensor:
        """(B, R) -> (B, N)."""
        if self.circle is None:
            return classifier(feats)
        with torch.autocast(feats.device.type, enabled=False):
            sims = F.normalize(feats.float(), dim=1) @ F.normalize(classifier.weight.float(), dim=1).T
            return circle_logits(sims, labels, **self.circle)

    def update_memory(self) -> None:
        """Nothing: the head has no memory."""
