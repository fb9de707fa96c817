"""Detection quality of a person search model: recall and average precision.

Shape legend: n detections and m annotated boxes of one image.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from .arrays import as_array
from .average_precision import average_precision
from .boxes import check_bboxes, pairwise_iou
from .detection_table import Detections, DetectionTable
from .settings import check_iou_thr


def evaluate_detection(detections: Detections,
                       gt_bboxes: Mapping[Hashable, Any],
                       *,
                       score_thr: float = 0.5,
                       iou_thr: float = 0.5,
                       labelled: Mapping[Hashable, Any] | None = None) -> dict[str, float]:
    """Recall and average precision of the detections of all images together.

    ``recall = matched boxes / annotated boxes``; ``AP = recall * (step-wise AP over the detections)``.

    Args:
        detections (Mapping): img_id -> (bboxes (n, 4) xyxy, scores (n,)) with or without embeddings as third item.
        gt_bboxes (Mapping): img_id -> (m, 4) annotated boxes. An image it lacks shows nobody, an image that
            ``detections`` lacks was searched in vain.
        score_thr (float): use detections with score >= this.
        iou_thr (float): overlap that makes a match, in (0, 1].
        labelled (Mapping, optional): img_id -> (m,) true for the boxes whose person has an identity.

    Returns:
        dict: ``recall`` and ``AP`` in [0, 1]; with ``labelled`` also ``recall_labelled``, the recall over those boxes
        (NaN if there are none).

    Raises:
        TypeError, ValueError: naming the image and what is wrong with its entry.

    Source: the protocol of CUHK-SYSU and PRW as computed by the published person search code. Deviation: none.
    """
    iou_thr = check_iou_thr(iou_thr)
    if not isinstance(gt_bboxes, Mapping):
        raise TypeError(f'gt_bboxes must be a dict img_id -> (m, 4) boxes, got {type(gt_bboxes).__name__}')
    gt_bboxes = {img_id: check_bboxes(bboxes, f'gt_bboxes[{img_id!r}]') for img_id, bboxes in gt_bboxes.items()}
    flags = None if labelled is None else _check_labelled(labelled, gt_bboxes)
    num_gt = sum(map(len, gt_bboxes.values()))
    if num_gt == 0:
        raise ValueError('gt_bboxes must hold at least one box, got none; recall has no meaning without people')

    table = DetectionTable.build(detections, score_thr, gt_bboxes, with_embeds=False)
    is_match = np.zeros(len(table.scores), dtype=bool)
    num_labelled_matches = 0
    for row, img_id in enumerate(table.img_ids):
        dets = slice(table.starts[row], table.starts[row + 1])
        boxes = gt_bboxes.get(img_id)
        if boxes is None or not len(boxes) or dets.start == dets.stop:
            continue
        match = mutual_best_match(pairwise_iou(table.bboxes[dets], boxes), iou_thr)  # (n,)
        is_match[dets] = match >= 0
        if flags is not None:
            num_labelled_matches += int(flags[img_id][match[match >= 0]].sum())

    recall = float(is_match.sum() / num_gt)
    result = dict(recall=recall, AP=recall * average_precision(is_match, table.scores))
    if flags is not None:
        num_labelled = sum(int(flag.sum()) for flag in flags.values())
        result['recall_labelled'] = num_labelled_matches / num_labelled if num_labelled else float('nan')
    return result


def mutual_best_match(ious: np.ndarray, iou_thr: float) -> np.ndarray:
    """Match a detection and an annotated box that are each other's best overlap.

    A detection that loses its best box to another detection is not matched again.

    Args:
        ious (numpy.ndarray): (n, m), m >= 1, n >= 1; detections by falling score, so that the more confident of two
            equal overlaps wins.
        iou_thr (float): smallest overlap of a match.

    Returns:
        numpy.ndarray: (n,) int64, the box of each detection or -1.
    """
    best_box = ious.argmax(axis=1)  # (n,)
    best_det = ious.argmax(axis=0)  # (m,)
    dets = np.arange(len(ious))
    is_match = (best_det[best_box] == dets) & (ious[dets, best_box] >= iou_thr)
    return np.where(is_match, best_box, -1)


def _check_labelled(labelled: Any, gt_bboxes: Mapping[Hashable, np.ndarray]) -> dict[Hashable, np.ndarray]:
    if not isinstance(labelled, Mapping) or set(labelled) != set(gt_bboxes):
        raise ValueError('labelled must be a dict with the same images as gt_bboxes, one (m,) array of flags each')
    flags = {img_id: as_array(flag, f'labelled[{img_id!r}]').astype(bool) for img_id, flag in labelled.items()}
    for img_id, flag in flags.items():
        if flag.size != len(gt_bboxes[img_id]):
            raise ValueError(f'labelled[{img_id!r}] must have one flag per box, got {flag.size} for '
                             f'{len(gt_bboxes[img_id])} boxes')
    return flags
