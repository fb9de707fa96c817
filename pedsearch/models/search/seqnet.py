"""SeqNet: detection first, then re-identification on the refined boxes, each with its own last stage.

Source: Li and Miao, "Sequential End-to-end Network for Efficient Person Search", AAAI 2021. Deviation: any number of
images at test time.

Shape legend: R regions, C4 and C5 channels before and after the last stage, D embedding dimensions.
"""

import copy

import torch
from mmdet.structures.bbox import bbox2roi
from mmengine.structures import InstanceData
from torch import Tensor

from pedsearch.registry import MODELS

from .nae import NAERoIHead
from .oim import PersonClassifier, classification_loss
from .regions import Candidates, split_by_image


@MODELS.register_module()
class SeqNetRoIHead(NAERoIHead):
    """Two heads in sequence; the score of the first is the score of the detection.

    Args: as :class:`~pedsearch.models.search.nae.NAERoIHead`; ``test_cfg.first_nms_iou_thr`` is the suppression
    between the two heads.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.first_shared_head = copy.deepcopy(self.shared_head)
        self.first_classifier = PersonClassifier(self.shared_head.out_channels)

    def init_weights(self) -> None:
        super().init_weights()
        self.first_shared_head.load_state_dict(self.shared_head.state_dict())

    def roi_losses(self, x: tuple[Tensor, ...], proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        first = self.sample(proposals, gts)
        _, c5 = self.pool(x, first.rois, self.first_shared_head)
        logits, deltas = self.first_classifier(c5)
        losses = dict(first_cls=classification_loss(logits, first.is_person),
                      first_bbox=self.box_loss(deltas, first))

        refined = self.refine(first.rois, deltas, image_sizes)
        second = self.sample([boxes for boxes, in split_by_image(first.rois, len(gts), refined)], gts)
        losses.update(self.norm_aware_losses(self.pool(x, second.rois), second))
        return losses

    def candidates(self, x: tuple[Tensor, ...], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        rois = bbox2roi(proposals)
        _, c5 = self.pool(x, rois, self.first_shared_head)
        logits, deltas = self.first_classifier(c5)
        scores = logits.float().softmax(dim=1)[:, 1]
        bboxes = self.refine(rois, deltas, image_sizes)
        keep = self.confident(bboxes, scores)
        rows = split_by_image(rois[keep], len(image_sizes), bboxes[keep], scores[keep])
        first = [Candidates(*row, row[0].new_zeros(len(row[0]), 0)).suppress(self.test_cfg.first_nms_iou_thr)
                 for row in rows]

        rois = bbox2roi([one.bboxes for one in first])
        features = self.pool(x, rois)
        embeds, _ = self.embedding(features)
        bboxes = self.refine(rois, self.deltas(features), image_sizes)
        scores = torch.cat([one.scores for one in first])
        return [Candidates(*row) for row in split_by_image(rois, len(image_sizes), bboxes, scores, embeds)]
