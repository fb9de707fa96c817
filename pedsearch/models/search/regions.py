"""Regions of interest on their way through a RoI head: sampled in training, candidates at test time.

Shape legend: B images of a batch, R regions of all images, n people among them or candidates of one image, D embedding
dimensions.
"""

from dataclasses import dataclass, replace

import torch
from mmcv.ops import nms
from torch import Tensor

from pedsearch.structures import BACKGROUND


@dataclass
class RoISamples:
    """Sampled regions of a batch, image after image; in each image people first.

    Attributes:
        rois (Tensor): (R, 5) index of the image, x1, y1, x2, y2 in the input image.
        pids (Tensor): (R,) int64, with UNLABELED and BACKGROUND.
        deltas (Tensor): (R, 4) regression targets; zero for background.
        gt_inds (Tensor): (R,) int64, place of a person's annotation among those of the batch; 0 for background.
        sizes (list[int]): people and background regions of each image in turn, 2 B numbers that are known without
            asking the device.
    """

    rois: Tensor
    pids: Tensor
    deltas: Tensor
    gt_inds: Tensor
    sizes: list[int]

    @property
    def is_person(self) -> Tensor:
        return self.pids != BACKGROUND

    @property
    def sample_inds(self) -> Tensor:
        return self.rois[:, 0].long()

    def people(self, rows: Tensor) -> Tensor:
        """Of rows (R, ...) those of people, (n, ...)."""
        return torch.cat(rows.split(self.sizes)[::2])

    def background(self, rows: Tensor) -> Tensor:
        """Of rows (R, ...) those of background, (R - n, ...)."""
        return torch.cat(rows.split(self.sizes)[1::2])


@dataclass
class Candidates:
    """Regions of one image before the last non-maximum suppression.

    Attributes:
        bboxes (Tensor): (n, 4) in the input image.
        scores (Tensor): (n,).
        embeds (Tensor): (n, D).
        regions (Tensor, optional): (n, 4) boxes that the embeddings look at, where these are not the refined ones.
    """

    bboxes: Tensor
    scores: Tensor
    embeds: Tensor
    regions: Tensor | None = None

    def __getitem__(self, rows: Tensor | slice) -> 'Candidates':
        return replace(self, bboxes=self.bboxes[rows], scores=self.scores[rows], embeds=self.embeds[rows],
                       regions=self.regions if self.regions is None else self.regions[rows])

    def survivors(self, iou_threshold: float) -> Tensor:
        """Rows (k,) that non-maximum suppression leaves, by falling score."""
        if not len(self.scores):
            return torch.zeros(0, dtype=torch.long, device=self.scores.device)
        return nms(self.bboxes, self.scores, iou_threshold)[1]

    def suppress(self, iou_threshold: float) -> 'Candidates':
        """The survivors."""
        return self[self.survivors(iou_threshold)]

    def around(self, box: Tensor, iou_threshold: float) -> Tensor:
        """Rows (k,) that stay when the box (4,) goes first into the suppression, without the box."""
        ranked = Candidates(torch.cat([box[None], self.bboxes]),
                            torch.cat([self.scores.new_full((1, ), 2.), self.scores]), self.embeds)
        return ranked.survivors(iou_threshold)[1:] - 1


def split_by_image(rois: Tensor, num_images: int, *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Cut rows (R, ...) into those of each image; the regions (R, 5) must be sorted by image."""
    sizes = torch.bincount(rois[:, 0].long(), minlength=num_images).tolist()
    return list(zip(*(row.split(sizes) for row in rows)))
