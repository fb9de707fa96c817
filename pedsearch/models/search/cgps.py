"""CGPS: weakly supervised person search from context of detection, memory and scene.

Source: Yan et al., "Exploring Visual Context for Weakly Supervised Person Search", AAAI 2022, and the released code.
Deviation: any number of images and processes; the requested batch norm behind the box layer has no effect there and is
left out.

Shape legend: R regions, C4 and C5 channels before and after the last stage, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS

from .oim import classification_loss
from .regions import Candidates
from .weak_roi_head import WeakSearchRoIHead


@MODELS.register_module()
class CGPSRoIHead(WeakSearchRoIHead):
    """One head that classifies, refines and embeds every proposal, seen before and after the last stage.

    Detection context is the quadruplet loss, memory context the selection of negatives in
    :class:`~pedsearch.models.memories.InstanceMemory`, scene context a constraint of the clustering.

    Args:
        *args, **kwargs: as :class:`~pedsearch.models.search.weak_roi_head.WeakSearchRoIHead`.
        in_channels: C4.
    """

    def __init__(self, *args, in_channels: int = 1024, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        c5 = self.shared_head.out_channels
        self.fc_cls, self.fc_reg = nn.Linear(c5, 2), nn.Linear(c5, 4)
        self.fc_c5, self.fc_c4 = nn.Linear(c5, self.embed_dims // 2), nn.Linear(in_channels, self.embed_dims // 2)
        for layer, std in ((self.fc_cls, .01), (self.fc_reg, .001), (self.fc_c5, .001), (self.fc_c4, .001)):
            nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)

    def roi_losses(self, x: tuple[Tensor, ...], proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        samples = self.sample(proposals, gts)
        features = self.pool(x, samples.rois)  # (R, C4), (R, C5)
        embeds, slots = self._embedding(features), self.slots(samples, gts)
        people = samples.people(embeds)
        return dict(cls=classification_loss(self.fc_cls(features[1]), samples.is_person),
                    bbox=self.box_loss(self.fc_reg(features[1]), samples),
                    reid=self.memory_loss(people, slots, samples),
                    context=self.context_loss(people, samples.background(embeds), slots))

    def candidates(self, x: tuple[Tensor, ...], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        features = self.pool(x, rois)
        return self.scored(rois, self.fc_cls(features[1]), self.fc_reg(features[1]), self._embedding(features),
                           image_sizes)

    def embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        return self._embedding(self.pool(x, rois))

    def _embedding(self, features: tuple[Tensor, Tensor]) -> Tensor:
        c4, c5 = features
        with torch.autocast(c4.device.type, enabled=False):
            return F.normalize(torch.cat([self.fc_c5(c5.float()), self.fc_c4(c4.float())], dim=1), dim=1)
