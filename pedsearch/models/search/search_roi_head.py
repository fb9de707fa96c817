"""What the RoI heads of person search share: sampling, losses, post-processing, query features.

Shape legend: B images of a batch, R regions of all images, C4 and C5 channels of the RoI map before and after the last
ResNet stage, D embedding dimensions, n candidates or detections of one image, q queries of one image.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmcv.ops import nms
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from pedsearch.registry import MODELS, TASK_UTILS
from pedsearch.structures import BACKGROUND, SearchDataSample

from ..layers import global_max_pool
from ..losses import mean_across_processes
from ..memories import PendingUpdate


@dataclass
class RoISamples:
    """Sampled regions of a batch, image after image; in each image people first, of these the ground truth last.

    Attributes:
        rois (Tensor): (R, 5) index of the image, x1, y1, x2, y2 in the input image.
        pids (Tensor): (R,) int64, with UNLABELED and BACKGROUND.
        deltas (Tensor): (R, 4) regression targets; zero for background.
    """

    rois: Tensor
    pids: Tensor
    deltas: Tensor

    @property
    def is_person(self) -> Tensor:
        return self.pids != BACKGROUND

    @property
    def sample_inds(self) -> Tensor:
        return self.rois[:, 0].long()


@dataclass
class Candidates:
    """Regions of one image before the last non-maximum suppression: boxes (n, 4) in the input image, scores (n,) and
    unit embeddings (n, D).
    """

    bboxes: Tensor
    scores: Tensor
    embeds: Tensor

    def __getitem__(self, rows: Tensor) -> 'Candidates':
        return Candidates(self.bboxes[rows], self.scores[rows], self.embeds[rows])

    def suppress(self, iou_threshold: float) -> 'Candidates':
        """Non-maximum suppression; the rest by falling score."""
        return self[nms(self.bboxes, self.scores, iou_threshold)[1]] if len(self.scores) else self


class SearchRoIHead(BaseModule):
    """Base of the RoI heads. A method implements :meth:`roi_losses`, :meth:`candidates` and :meth:`embed`.

    Args:
        roi_extractor: config of the RoI feature extractor.
        shared_head: config of the last backbone stage, run on every region.
        memory: config of the memory, or None for a network that is only tested.
        bbox_coder: config of the box coder.
        embed_dims: D.
        loss_weights: factor of each loss by its name without ``loss_``; 1 where absent.
        train_cfg: ``assigner`` and ``sampler``.
        test_cfg: ``score_thr``, ``nms_iou_thr``, ``max_per_img``; optional ``use_gt_boxes`` (bool) puts the annotated
            boxes, with score 1, in the place of detections: the upper bound of the search.

    State: the memory's buffers, changed by :meth:`update_memory`.
    """

    with_bbox = True
    with_mask = False

    def __init__(self, roi_extractor: dict, shared_head: dict, memory: dict | None = None,
                 bbox_coder: dict | None = None, embed_dims: int = 256, loss_weights: dict | None = None,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.roi_extractor = MODELS.build(roi_extractor)
        self.shared_head = MODELS.build(shared_head)
        self.bbox_coder = TASK_UTILS.build(bbox_coder or dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=(0., 0., 0., 0.), target_stds=(.1, .1, .2, .2)))
        self.memory = MODELS.build(dict(memory, embed_dims=embed_dims)) if memory else None
        self.embed_dims = embed_dims
        self.loss_weights = loss_weights or {}
        self.test_cfg = ConfigDict(test_cfg or {})
        if train_cfg:
            self.assigner = TASK_UTILS.build(train_cfg['assigner'])
            self.sampler = TASK_UTILS.build(train_cfg['sampler'])
        self._pending = PendingUpdate()

    # -- what a method implements -------------------------------------------------------------------------------------

    def roi_losses(self, x: tuple[Tensor, ...], proposals: list[Tensor], gts: list[InstanceData],
                   image_sizes: list[tuple[int, int]]) -> dict[str, Tensor]:
        """Losses of a batch, unweighted.

        Args:
            x: feature maps (B, C, H, W).
            proposals: B tensors (n, 4).
            gts: B ground truths.
            image_sizes: B (height, width) of the images before padding.
        """
        raise NotImplementedError

    def candidates(self, x: tuple[Tensor, ...], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
                   ) -> list[Candidates]:
        """Scored, refined and embedded candidates of each image, before the last suppression."""
        raise NotImplementedError

    def embed(self, x: tuple[Tensor, ...], rois: Tensor) -> Tensor:
        """(R, 5) regions -> (R, D) L2-normalised embeddings, as the candidates have them."""
        raise NotImplementedError

    # -- training -----------------------------------------------------------------------------------------------------

    def loss(self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData],
             batch_data_samples: list[SearchDataSample]) -> dict[str, Tensor]:
        """Weighted losses; remembers embeddings and ids for :meth:`update_memory`."""
        losses = self.roi_losses(x, [result.bboxes for result in rpn_results_list],
                                 [sample.gt_instances for sample in batch_data_samples],
                                 [sample.img_shape[:2] for sample in batch_data_samples])
        return {f'loss_{name}': loss * self.loss_weights.get(name, 1.) for name, loss in losses.items()}

    def sample(self, proposals: list[Tensor], gts: list[InstanceData]) -> RoISamples:
        """Assign proposals to people, append the ground truth, and choose a training set of each image."""
        priors, pids, deltas = [], [], []
        for boxes, gt in zip(proposals, gts):
            candidates = InstanceData(priors=boxes)
            chosen = self.sampler.sample(self.assigner.assign(candidates, gt), candidates, gt)
            people = chosen.pos_is_gt.argsort(stable=True)  # ground truth last, where the references append it
            num_background = len(chosen.neg_inds)
            priors.append(torch.cat([chosen.pos_priors[people], chosen.neg_priors]))
            pids.append(F.pad(gt.pids[chosen.pos_assigned_gt_inds[people]], (0, num_background), value=BACKGROUND))
            target = self.bbox_coder.encode(chosen.pos_priors[people], chosen.pos_gt_bboxes[people])
            deltas.append(F.pad(target, (0, 0, 0, num_background)))
        return RoISamples(bbox2roi(priors), torch.cat(pids), torch.cat(deltas))

    def box_loss(self, deltas: Tensor, samples: RoISamples) -> Tensor:
        """Smooth L1 over people, divided by the number of all sampled regions."""
        person = samples.is_person
        total = F.smooth_l1_loss(deltas[person].float(), samples.deltas[person], reduction='sum')
        return mean_across_processes(total, len(person))

    def reid_loss(self, embeds: Tensor, samples: RoISamples) -> Tensor:
        """Loss of the people's embeddings (R, D) against the memory."""
        if self.memory is None:
            raise ValueError('training needs a memory, got memory=None; give the RoI head `memory=dict(type=...)`')
        person = samples.is_person
        embeds, pids = embeds[person], samples.pids[person]
        self._pending.add(embeds, pids, samples.sample_inds[person])
        return self.memory.loss(embeds, pids)

    def update_memory(self) -> None:
        """Write the batches since the last call into the memory; called after the optimizer's step."""
        for batch in self._pending.take():
            self.memory.update(*batch)

    # -- inference ----------------------------------------------------------------------------------------------------

    def predict(self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData],
                batch_data_samples: list[SearchDataSample], rescale: bool = True) -> list[InstanceData]:
        """Detections of each image; fills ``query_instances`` of the samples that have some.

        Returns:
            list[InstanceData]: ``bboxes`` (n, 4), ``scores`` (n,), ``labels`` (n,) and unit ``embeds`` (n, D).
        """
        image_sizes = [sample.img_shape[:2] for sample in batch_data_samples]
        scales = [torch.tensor(sample.scale_factor, device=x[0].device).repeat(2) for sample in batch_data_samples]
        if self.test_cfg.get('use_gt_boxes', False):
            found = self._annotated(x, batch_data_samples, scales)
        else:
            found = self.candidates(x, [result.bboxes for result in rpn_results_list], image_sizes)
        self._embed_queries(x, found, batch_data_samples, scales)
        return [self._detections(one, scale if rescale else scale.new_ones(4)) for one, scale in zip(found, scales)]

    def _annotated(self, x: tuple[Tensor, ...], samples: list[SearchDataSample], scales: list[Tensor]
                   ) -> list[Candidates]:
        bboxes = [sample.gt_instances.bboxes * scale for sample, scale in zip(samples, scales)]
        embeds = self.embed(x, bbox2roi(bboxes)).split([len(boxes) for boxes in bboxes])
        return [Candidates(boxes, boxes.new_ones(len(boxes)), embed) for boxes, embed in zip(bboxes, embeds)]

    def _embed_queries(self, x: tuple[Tensor, ...], found: list[Candidates], samples: list[SearchDataSample],
                       scales: list[Tensor]) -> None:
        """Embeddings of the query boxes, and of the other people around each of them."""
        having = [index for index, sample in enumerate(samples) if len(sample.get('query_instances', ()))]
        if not having:
            return
        queries = [samples[index].query_instances for index in having]
        bboxes = [query.bboxes * scales[index] for query, index in zip(queries, having)]
        rois = bbox2roi(bboxes)
        rois[:, 0] = torch.tensor(having, device=rois.device)[rois[:, 0].long()].to(rois)
        embeds = self.embed(x, rois).split([len(boxes) for boxes in bboxes])
        for query, index, boxes, embed in zip(queries, having, bboxes, embeds):
            query.embeds = embed
            query.context_embeds = [self._context(found[index], box) for box in boxes]

    def _context(self, found: Candidates, box: Tensor) -> Tensor:
        """Embeddings (k, D) of the people that stay when the query box (4,) goes first into the suppression."""
        ranked = Candidates(torch.cat([box[None], found.bboxes]),
                            torch.cat([found.scores.new_full((1, ), 2.), found.scores]),
                            torch.cat([found.embeds.new_zeros(1, self.embed_dims), found.embeds]))
        return ranked.suppress(self.test_cfg.nms_iou_thr).embeds[1:self.test_cfg.max_per_img]

    def _detections(self, found: Candidates, scale: Tensor) -> InstanceData:
        if not self.test_cfg.get('use_gt_boxes', False):
            found = found.suppress(self.test_cfg.nms_iou_thr)[:self.test_cfg.max_per_img]
        return InstanceData(bboxes=found.bboxes / scale, scores=found.scores, embeds=found.embeds,
                            labels=found.scores.new_zeros(len(found.scores), dtype=torch.long))

    # -- steps that methods are composed of ---------------------------------------------------------------------------

    def pool(self, x: tuple[Tensor, ...], rois: Tensor, shared_head: nn.Module | None = None) -> tuple[Tensor, Tensor]:
        """Global max of the RoI maps before and after the last stage: (R, 5) -> (R, C4), (R, C5)."""
        maps = self.roi_extractor(x[:self.roi_extractor.num_inputs], rois)
        return global_max_pool(maps), global_max_pool((shared_head or self.shared_head)(maps))

    def refine(self, rois: Tensor, deltas: Tensor, image_sizes: list[tuple[int, int]]) -> Tensor:
        """Decode deltas (R, 4) on regions (R, 5) and clip to the images: (R, 4), without gradient."""
        bboxes = self.bbox_coder.decode(rois[:, 1:], deltas.detach().float())
        limits = rois.new_tensor([(width, height, width, height) for height, width in image_sizes])
        return torch.minimum(bboxes.clamp(min=0), limits[rois[:, 0].long()])

    def confident(self, bboxes: Tensor, scores: Tensor) -> Tensor:
        """Rows above the score threshold whose box has an area: (R, 4), (R,) -> (R,) bool."""
        return (scores > self.test_cfg.score_thr) & ((bboxes[:, 2:] - bboxes[:, :2]) > 0.01).all(dim=1)


def split_by_image(rois: Tensor, num_images: int, *rows: Tensor) -> list[tuple[Tensor, ...]]:
    """Cut rows (R, ...) into those of each image; the regions (R, 5) must be sorted by image."""
    sizes = torch.bincount(rois[:, 0].long(), minlength=num_images).tolist()
    return list(zip(*(row.split(sizes) for row in rows)))
