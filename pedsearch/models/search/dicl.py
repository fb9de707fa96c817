"""DICL: weakly supervised person search by contrast between two branches, invariant to context and occlusion.

Source: Wang et al., "Deep Intra-Image Contrastive Learning for Weakly Supervised One-Step Person Search", Pattern
Recognition 2024, and the released code.
Deviation: presets, see docs/deviations.md; the instance branch of the test runs only on what is reported.

Shape legend: R regions, n people among them, G annotated boxes of a batch, C channels and h × w size of a person's map,
D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS

from ..layers import DeformConv2dPack
from ..losses import branch_consistency_loss, branch_similarity_loss
from .oim import classification_loss
from .regions import Candidates
from .siamese_detector import SiameseFeatures
from .weak_roi_head import WeakSearchRoIHead


class DetectionTower(nn.Sequential):
    """Two convolutions, mean over the map, one linear layer: (R, C, h, w) -> (R, out_channels).

    Args:
        in_channels: C.
        out_channels: of the linear layer.
        std: of its initial weights.
        norm_cfg: batch norm between.
    """

    def __init__(self, in_channels: int, out_channels: int, std: float, norm_cfg: dict) -> None:
        middle = in_channels // 2
        super().__init__(ConvModule(in_channels, middle, 3, padding=1, norm_cfg=norm_cfg),
                         ConvModule(middle, middle, 3, padding=1, norm_cfg=norm_cfg),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(middle, out_channels))
        for layer in (self[0].conv, self[1].conv):
            nn.init.normal_(layer.weight, std=.01)
        nn.init.normal_(self[4].weight, std=std)
        nn.init.zeros_(self[4].bias)


@MODELS.register_module()
class DICLRoIHead(WeakSearchRoIHead):
    """Detection from region maps; embeddings from region maps (search branch) and crops (instance branch).

    With p the unit embedding of a person's region, q that of the crop of the same person, m = (p + q) / 2:

    * spatial-invariant contrast: ``sim`` pulls p to q, ``kl`` makes the similarities within each branch agree, ``reid``
      and ``context`` work on m;
    * occlusion-invariant contrast: parts of the people are hidden from the search branch, see
      :class:`~pedsearch.models.search.siamese_detector.SiamesePersonSearchDetector`.

    Args:
        *args, **kwargs: as :class:`~pedsearch.models.search.weak_roi_head.WeakSearchRoIHead`.
        in_channels: C.
        map_size: (h, w); a crop's map must have it, too.
        norm_cfg: batch norm of the detection towers.
        instance_branch: False: without crops, m = p, no ``sim`` and ``kl``.
        unit_mean: normalise m before ``context``, where people otherwise are shorter than background.
        consistency_reduction: of ``kl``, see :func:`~pedsearch.models.losses.branch_consistency_loss`.

    In ``test_cfg``, ``normalize_embeds`` (default False) makes m a unit vector.
    """

    def __init__(self, *args, in_channels: int = 1024, map_size: tuple[int, int] = (14, 6),
                 norm_cfg: dict | None = None, instance_branch: bool = True, unit_mean: bool = False,
                 consistency_reduction: str = 'element', **kwargs) -> None:
        super().__init__(*args, **kwargs)
        norm_cfg = norm_cfg or dict(type='pedsearch.CrossProcessBatchNorm2d')
        self.instance_branch = instance_branch
        self.unit_mean = unit_mean
        self.consistency_reduction = consistency_reduction
        self.deform = DeformConv2dPack(in_channels, in_channels, 3, padding=1)
        self.classifier = DetectionTower(in_channels, 2, .01, norm_cfg)
        self.regressor = DetectionTower(in_channels, 4, .001, norm_cfg)
        self.fc_embed = nn.Linear(in_channels * map_size[0] * map_size[1], self.embed_dims)

    def roi_losses(self, x: SiameseFeatures, proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        samples = self.sample(proposals, gts)
        maps = self.region_maps(x, samples.rois)  # (R, C, h, w)
        embeds, slots = self._embedding(maps), self.slots(samples, gts)
        search = mean = samples.people(embeds)  # (n, D)
        losses = dict(cls=classification_loss(self.classifier(maps), samples.is_person),
                      bbox=self.box_loss(self.regressor(maps), samples))
        if self.instance_branch:
            crops = self.crop_embeds(x, bbox2roi([gt.bboxes for gt in gts]))  # (G, D)
            instance = crops[samples.people(samples.gt_inds)]  # (n, D)
            mean = (search + instance) / 2
            losses['sim'] = branch_similarity_loss(search, instance)
            losses['kl'] = branch_consistency_loss(search, instance, reduction=self.consistency_reduction)
        losses['reid'] = self.memory_loss(mean, slots, samples)
        losses['context'] = self.context_loss(F.normalize(mean, dim=1) if self.unit_mean else mean,
                                              samples.background(embeds), slots)
        return losses

    def candidates(self, x: SiameseFeatures, proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        maps = self.region_maps(x, rois)
        return self.scored(rois, self.classifier(maps), self.regressor(maps), self._embedding(maps), image_sizes)

    def embed_late(self, x: SiameseFeatures, found: list[Candidates], queries: list[Tensor]) -> list[Candidates]:
        """Crop only what is reported; suppression does not ask embeddings, so they stay the same."""
        found = [one[self.reported(one, boxes)] for one, boxes in zip(found, queries)]
        embeds = self._mean(x, bbox2roi([one.regions for one in found]), torch.cat([one.embeds for one in found]))
        for one, rows in zip(found, embeds.split([len(one.scores) for one in found])):
            one.embeds = rows
        return found

    def embed(self, x: SiameseFeatures, rois: Tensor) -> Tensor:
        return self._mean(x, rois, self._embedding(self.region_maps(x, rois)))

    def region_maps(self, x: SiameseFeatures, rois: Tensor) -> Tensor:
        """(R, 5) -> (R, C, h, w)."""
        return self.deform(self.roi_extractor(x[-1], rois))

    def crop_embeds(self, x: SiameseFeatures, rois: Tensor) -> Tensor:
        """Instance branch: (R, 5) -> (R, D) unit embeddings of the crops; with a graph where R is 0, for processes that
        have nobody exchange gradients with the others.
        """
        return self._embedding(self.deform(x.crop_maps(rois)))

    def _mean(self, x: SiameseFeatures, rois: Tensor, search: Tensor) -> Tensor:
        """Embeddings (R, D) of both branches together, from those of the search branch (R, D)."""
        mean = (search + self.crop_embeds(x, rois)) / 2 if self.instance_branch else search
        return F.normalize(mean, dim=1) if self.test_cfg.get('normalize_embeds', False) else mean

    def _embedding(self, maps: Tensor) -> Tensor:
        """(R, C, h, w) -> (R, D) unit vectors."""
        with torch.autocast(maps.device.type, enabled=False):
            return F.normalize(self.fc_embed(maps.float().flatten(1)), dim=1)
