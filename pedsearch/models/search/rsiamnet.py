"""R-SiamNet in a build of our own: consistency between a person in the scene and the same person cropped out.

Source: Han et al., "Weakly Supervised Person Search with Region Siamese Networks", ICCV 2021: its abstract and what
later papers say of it. There is no public code; crop size, memory, clustering and loss weights are not known.
Deviation: not a reproduction. The trunk is that of OIM and NAE, the consistency that of DICL, both branches are
compared with one memory over all clusters.

Shape legend: R regions, n people among them, G annotated boxes of a batch, C5 channels after the last stage, D
embedding dimensions.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS

from ..layers import global_max_pool
from ..losses import branch_consistency_loss, branch_similarity_loss
from .oim import PersonClassifier, classification_loss
from .regions import Candidates
from .siamese_detector import SiameseFeatures
from .weak_roi_head import WeakSearchRoIHead


@MODELS.register_module()
class RSiamNetRoIHead(WeakSearchRoIHead):
    """A shared last stage on regions of the scene and on crops; only the scene is looked at in testing.

    Args: as :class:`~pedsearch.models.search.weak_roi_head.WeakSearchRoIHead`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.classifier = PersonClassifier(self.shared_head.out_channels)
        self.fc_embed = nn.Linear(self.shared_head.out_channels, self.embed_dims)
        for layer in (self.classifier.fc_cls, self.classifier.fc_reg, self.fc_embed):
            nn.init.normal_(layer.weight, std=.01)
            nn.init.zeros_(layer.bias)

    def roi_losses(self, x: SiameseFeatures, proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        samples = self.sample(proposals, gts)
        _, c5 = self.pool(x, samples.rois)
        logits, deltas = self.classifier(c5)
        search = self._embedding(samples.people(c5))  # (n, D)
        crops = x.crop_maps(bbox2roi([gt.bboxes for gt in gts]))  # (G, C4, h, w)
        instance = self._embedding(global_max_pool(self.shared_head(crops)))[samples.people(samples.gt_inds)]
        slots = self.slots(samples, gts)
        return dict(cls=classification_loss(logits, samples.is_person),
                    bbox=self.box_loss(deltas, samples),
                    sim=branch_similarity_loss(search, instance),
                    kl=branch_consistency_loss(search, instance, reduction='row'),
                    reid=self.memory_loss(search, slots, samples),
                    crop_reid=self.memory.loss(instance, slots))

    def candidates(self, x: SiameseFeatures, proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        _, c5 = self.pool(x, rois)
        return self.scored(rois, *self.classifier(c5), self._embedding(c5), image_sizes)

    def embed(self, x: SiameseFeatures, rois: Tensor) -> Tensor:
        return self._embedding(self.pool(x, rois)[1])

    def _embedding(self, c5: Tensor) -> Tensor:
        with torch.autocast(c5.device.type, enabled=False):
            return F.normalize(self.fc_embed(c5.float()), dim=1)
