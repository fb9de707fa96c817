"""OIM: joint detection and identification with one shared RoI head.

Source: Xiao et al., "Joint Detection and Identification Feature Learning for Person Search", CVPR 2017.
Deviation: the trunk and training of NAE and SeqNet (RoIAlign, batch norm in train mode, scale 30), the form in which
OIM is compared today.

Shape legend: R regions, C5 channels after the last stage, D embedding dimensions.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS

from ..losses import mean_across_processes
from .regions import Candidates, split_by_image
from .search_roi_head import SearchRoIHead


class PersonClassifier(nn.Module):
    """Person logits and box deltas of a region from its last feature vector.

    Args:
        in_channels: C5.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.fc_cls = nn.Linear(in_channels, 2)
        self.fc_reg = nn.Linear(in_channels, 8)

    def forward(self, c5: Tensor) -> tuple[Tensor, Tensor]:
        """(R, C5) -> logits (R, 2) of background and person, deltas (R, 4) of the class person."""
        return self.fc_cls(c5), self.fc_reg(c5)[:, 4:]


def classification_loss(logits: Tensor, is_person: Tensor) -> Tensor:
    """Cross-entropy of person against background: (R, 2), (R,) bool -> ()."""
    total = F.cross_entropy(logits.float(), is_person.long(), reduction='sum')
    return mean_across_processes(total, len(is_person))


@MODELS.register_module()
class OIMRoIHead(SearchRoIHead):
    """One head that classifies, refines and embeds every proposal.

    Args: as :class:`~pedsearch.models.search.search_roi_head.SearchRoIHead`.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.classifier = PersonClassifier(self.shared_head.out_channels)
        self.fc_embed = nn.Linear(self.shared_head.out_channels, self.embed_dims)
        for layer in (self.classifier.fc_cls, self.classifier.fc_reg, self.fc_embed):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def roi_losses(self, x: tuple[Tensor, ...], proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        samples = self.sample(proposals, gts)
        _, c5 = self.pool(x, samples.rois)
        logits, deltas = self.classifier(c5)
        return dict(cls=classification_loss(logits, samples.is_person),
                    bbox=self.box_loss(deltas, samples),
                    reid=self.reid_loss(self._embedding(c5), samples))

    def candidates(self, x: tuple[Tensor, ...], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        _, c5 = self.pool(x, rois)
        logits, deltas = self.classifier(c5)
        scores = logits.float().softmax(dim=1)[:, 1]
        bboxes = self.refine(rois, deltas, image_sizes)
        keep = self.confident(bboxes, scores)
        rows = split_by_image(rois[keep], len(image_sizes), bboxes[keep], scores[keep], self._embedding(c5[keep]))
        return [Candidates(*row) for row in rows]

    def embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        return self._embedding(self.pool(x, rois)[1])

    def _embedding(self, c5: Tensor) -> Tensor:
        with torch.autocast(c5.device.type, enabled=False):
            return F.normalize(self.fc_embed(c5.float()), dim=1)
