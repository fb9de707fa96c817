"""What the heads share that learn from boxes without identities.

Shape legend: R sampled regions, n people among them, N slots (annotated boxes of the training set), D embedding
dimensions.
"""

import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch import Tensor

from pedsearch.structures import SearchDataSample

from ..losses import context_quadruplet_loss, mean_across_processes
from .regions import Candidates, RoISamples
from .search_roi_head import SearchRoIHead


class WeakSearchRoIHead(SearchRoIHead):
    """Base of the heads for weakly supervised person search.

    Every annotated box of the training set owns a slot of the memory, a
    :class:`~pedsearch.models.memories.InstanceMemory`. ``PseudoLabelHook`` fills it from the annotated boxes before
    training, clusters :meth:`memory_feats` before each epoch and calls :meth:`reset_memory`.

    Args:
        *args, **kwargs: as :class:`~pedsearch.models.search.search_roi_head.SearchRoIHead`.
        skip_single_label: see :func:`~pedsearch.models.losses.context_quadruplet_loss`.
    """

    ground_truth_first = True  # the last update of a slot counts most, so the order changes numbers

    def __init__(self, *args, skip_single_label: bool = True, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.skip_single_label = skip_single_label

    def loss(self, x: tuple[Tensor, ...], rpn_results_list: list[InstanceData],
             batch_data_samples: list[SearchDataSample]) -> dict[str, Tensor]:
        for sample in batch_data_samples:
            if 'slots' not in sample.gt_instances:
                raise KeyError(f'gt_instances of {sample.get("img_path")} has no `slots`; train on the train split '
                               'of a person search dataset, with LoadSearchAnnotations and PackSearchInputs')
        return super().loss(x, rpn_results_list, batch_data_samples)

    # -- the memory, as PseudoLabelHook drives it ----------------------------------------------------------------------

    def init_memory(self, feats: Tensor) -> None:
        """Fill the memory with unit embeddings (N, D) of the annotated boxes, in the order of their slots."""
        self._pending.take()
        self.checked_memory().reset(feats)

    def memory_feats(self) -> Tensor:
        """Rows of the memory (N, D)."""
        return self.memory.feats

    def reset_memory(self, feats: Tensor, labels: Tensor) -> None:
        """Say which cluster each slot belongs to, ``labels`` (N,) int64 >= 0; the rows, ``feats`` (N, D), stay."""
        self.memory.set_labels(labels)

    # -- losses -------------------------------------------------------------------------------------------------------

    def slots(self, samples: RoISamples, gts: list[InstanceData]) -> Tensor:
        """Slot of each person (n,)."""
        return torch.cat([gt.slots for gt in gts])[samples.people(samples.gt_inds)]

    def box_loss(self, deltas: Tensor, samples: RoISamples) -> Tensor:
        """L1 over people, divided by the number of all sampled regions."""
        total = F.l1_loss(samples.people(deltas).float(), samples.people(samples.deltas), reduction='sum')
        return mean_across_processes(total, len(deltas))

    def context_loss(self, people: Tensor, background: Tensor, slots: Tensor) -> Tensor:
        """Detection context: (n, D) and (R - n, D) under the labels that the slots (n,) have now."""
        labels = torch.cat([self.memory.labels[slots], slots.new_full((len(background), ), -1)])
        return context_quadruplet_loss(torch.cat([people, background]), labels,
                                       skip_single_label=self.skip_single_label)

    # -- inference ----------------------------------------------------------------------------------------------------

    def scored(self, rois: Tensor, logits: Tensor, deltas: Tensor, embeds: Tensor,
               image_sizes: list[tuple[int, int]]) -> list[Candidates]:
        """Candidates of each image from regions (R, 5), logits (R, 2), deltas (R, 4), embeddings (R, D)."""
        scores = logits.float().softmax(dim=1)[:, 1]
        bboxes = self.refine(rois, deltas, image_sizes)
        keep = self.confident(bboxes, scores)
        rois = rois[keep]
        sizes = torch.bincount(rois[:, 0].long(), minlength=len(image_sizes)).tolist()
        return [Candidates(*rows) for rows in zip(*(row.split(sizes) for row in (
            bboxes[keep], scores[keep], embeds[keep], rois[:, 1:])))]
