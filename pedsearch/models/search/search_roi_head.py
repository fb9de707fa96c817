"""What the RoI heads of person search share: sampling, losses, post-processing, query features.

Shape legend: B images of a batch, R regions of all images, C4 and C5 channels of the RoI map before and after the last
ResNet stage, D embedding dimensions, n candidates or detections of one image, q queries of one image.
"""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox2roi
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn
from torchvision.ops import box_iou

from pedsearch.registry import MODELS, TASK_UTILS
from pedsearch.structures import BACKGROUND, SearchDataSample

from ..layers import global_max_pool
from ..losses import mean_across_processes
from ..memories import PendingUpdate
from .regions import Candidates, RoISamples


class SearchRoIHead(BaseModule):
    """Base of the RoI heads. A method implements :meth:`roi_losses`, :meth:`candidates` and :meth:`embed`.

    Args:
        roi_extractor: config of the RoI feature extractor.
        shared_head: config of the last backbone stage, run on every region; None for a head without.
        memory: config of the memory, or None for a network that is only tested.
        bbox_coder: config of the box coder.
        embed_dims: D.
        loss_weights: factor of each loss by its name without ``loss_``; 1 where absent.
        train_cfg: ``assigner`` and ``sampler``.
        test_cfg: ``score_thr``, ``nms_iou_thr``, ``max_per_img``; optional ``use_gt_boxes`` (bool) puts the annotated
            boxes, with score 1, in the place of detections: the upper bound of the search; optional ``query``:
            'gt_box' (default), the embedding of the query's own box, or 'best_detection', that of the detection with
            the highest IoU (pixels counted inclusively; where none overlaps, the one with the highest score), zeros
            where nothing is detected.

    State: the memory's buffers, changed by :meth:`update_memory`.
    """

    with_bbox = True
    with_mask = False
    ground_truth_first = False
    """Whether annotated boxes stand before the proposals among the people of an image, or behind them."""

    def __init__(self, roi_extractor: dict, shared_head: dict | None = None, memory: dict | None = None,
                 bbox_coder: dict | None = None, embed_dims: int = 256, loss_weights: dict | None = None,
                 train_cfg: dict | None = None, test_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.roi_extractor = MODELS.build(roi_extractor)
        self.shared_head = MODELS.build(shared_head) if shared_head else None
        self.bbox_coder = TASK_UTILS.build(bbox_coder or dict(
            type='mmdet.DeltaXYWHBBoxCoder', target_means=(0., 0., 0., 0.), target_stds=(.1, .1, .2, .2)))
        self.memory = MODELS.build(dict(memory, embed_dims=embed_dims)) if memory else None
        self.embed_dims = embed_dims
        self.loss_weights = loss_weights or {}
        self.test_cfg = ConfigDict(test_cfg or {})
        if self.test_cfg.get('query', 'gt_box') not in ('gt_box', 'best_detection'):
            raise ValueError(f"test_cfg.query must be 'gt_box' or 'best_detection', got {self.test_cfg.query!r}")
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
        priors, pids, deltas, gt_inds, sizes, num_gts = [], [], [], [], [], 0
        for boxes, gt in zip(proposals, gts):
            candidates = InstanceData(priors=boxes)
            chosen = self.sampler.sample(self.assigner.assign(candidates, gt), candidates, gt)
            people = (chosen.pos_is_gt != self.ground_truth_first).int().argsort(stable=True)
            assigned, num_background = chosen.pos_assigned_gt_inds[people], len(chosen.neg_inds)
            priors.append(torch.cat([chosen.pos_priors[people], chosen.neg_priors]))
            pids.append(F.pad(gt.pids[assigned], (0, num_background), value=BACKGROUND))
            gt_inds.append(F.pad(assigned + num_gts, (0, num_background)))
            target = self.bbox_coder.encode(chosen.pos_priors[people], chosen.pos_gt_bboxes[people])
            deltas.append(F.pad(target, (0, 0, 0, num_background)))
            sizes += [len(people), num_background]
            num_gts += len(gt)
        return RoISamples(bbox2roi(priors), torch.cat(pids), torch.cat(deltas), torch.cat(gt_inds), sizes)

    def box_loss(self, deltas: Tensor, samples: RoISamples) -> Tensor:
        """Smooth L1 over people, divided by the number of all sampled regions."""
        total = F.smooth_l1_loss(samples.people(deltas).float(), samples.people(samples.deltas), reduction='sum')
        return mean_across_processes(total, len(deltas))

    def reid_loss(self, embeds: Tensor, samples: RoISamples) -> Tensor:
        """Loss of the people's embeddings, of (R, D), against the memory of their identities."""
        return self.memory_loss(samples.people(embeds), samples.people(samples.pids), samples)

    def memory_loss(self, embeds: Tensor, ids: Tensor, samples: RoISamples) -> Tensor:
        """Loss of people (n, D) against the rows ``ids`` (n,) of the memory; they are its next update."""
        memory = self.checked_memory()
        self._pending.add(embeds, ids, samples.people(samples.sample_inds))
        return memory.loss(embeds, ids)

    def checked_memory(self) -> nn.Module:
        """The memory; ValueError where there is none."""
        if self.memory is None:
            raise ValueError('training needs a memory, got memory=None; give the RoI head `memory=dict(type=...)`')
        return self.memory

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
        queries = [sample.query_instances.bboxes * scale if 'query_instances' in sample else scale.new_zeros(0, 4)
                   for sample, scale in zip(batch_data_samples, scales)]
        if self.test_cfg.get('use_gt_boxes', False):
            found = self._annotated(x, batch_data_samples, scales)
        else:
            found = self.candidates(x, [result.bboxes for result in rpn_results_list], image_sizes)
            found = self.embed_late(x, found, queries)
        self._embed_queries(x, found, batch_data_samples, queries, scales)
        return [self._detections(one, scale if rescale else scale.new_ones(4)) for one, scale in zip(found, scales)]

    def embed_late(self, x: tuple[Tensor, ...], found: list[Candidates], queries: list[Tensor]) -> list[Candidates]:
        """For heads that embed only what stays: finish the candidates, given the boxes (q, 4) of each image's queries.

        What :meth:`reported` leaves out may be dropped.
        """
        return found

    def reported(self, found: Candidates, queries: Tensor) -> Tensor:
        """Candidates of an image that end as detections or as companions of a query: (k,) rows, rising."""
        thr, most = self.test_cfg.nms_iou_thr, self.test_cfg.max_per_img
        around = [found.around(box, thr)[:most - 1] for box in queries]
        return torch.cat([found.survivors(thr)[:most], *around]).unique()

    def annotated_embeds(self, x: tuple[Tensor, ...], batch_data_samples: list[SearchDataSample]) -> Tensor:
        """Embeddings (n, D) of the annotated boxes, which are in the original images, image after image."""
        return self.embed(x, bbox2roi([
            sample.gt_instances.bboxes * torch.tensor(sample.scale_factor, device=x[0].device).repeat(2)
            for sample in batch_data_samples]))

    def _annotated(self, x: tuple[Tensor, ...], samples: list[SearchDataSample], scales: list[Tensor]
                   ) -> list[Candidates]:
        bboxes = [sample.gt_instances.bboxes * scale for sample, scale in zip(samples, scales)]
        embeds = self.annotated_embeds(x, samples).split([len(boxes) for boxes in bboxes])
        return [Candidates(boxes, boxes.new_ones(len(boxes)), embed) for boxes, embed in zip(bboxes, embeds)]

    def _embed_queries(self, x: tuple[Tensor, ...], found: list[Candidates], samples: list[SearchDataSample],
                       queries: list[Tensor], scales: list[Tensor]) -> None:
        """Embeddings of the query boxes, and of the other people around each of them."""
        having = [index for index, boxes in enumerate(queries) if len(boxes)]
        if not having:
            return
        if self.test_cfg.get('query', 'gt_box') == 'gt_box':
            rois = bbox2roi(queries)
            embeds = self.embed(x, rois).split([len(boxes) for boxes in queries])
        else:
            embeds = [self._best_detected(*rows) for rows in zip(found, queries, scales)]
        thr, most = self.test_cfg.nms_iou_thr, self.test_cfg.max_per_img
        for index in having:
            query, one = samples[index].query_instances, found[index]
            query.embeds = embeds[index]
            query.context_embeds = [one.embeds[one.around(box, thr)[:most - 1]] for box in queries[index]]

    def _best_detected(self, found: Candidates, queries: Tensor, scale: Tensor) -> Tensor:
        """Embeddings (q, D) of the detections that fit the query boxes (q, 4) best, compared in the original image."""
        found = found.suppress(self.test_cfg.nms_iou_thr)[:self.test_cfg.max_per_img]
        if not len(found.bboxes) or not len(queries):
            return found.embeds.new_zeros(len(queries), self.embed_dims)
        pixel = scale.new_tensor([0, 0, 1, 1])
        return found.embeds[box_iou(queries / scale + pixel, found.bboxes / scale + pixel).argmax(dim=1)]

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

