"""All detections of all images in flat arrays.

Shape legend: n detections of one image, N detections of all images, I images, D embedding dimensions.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import as_array
from .boxes import check_bbox_values
from .settings import check_threshold

Detections = Mapping[Hashable, tuple]
"""img_id -> (bboxes (n, 4) xyxy, scores (n,), embeds (n, D)); arrays, lists or tensors."""


@dataclass(frozen=True)
class DetectionTable:
    """Detections above a score, image after image; inside an image by falling score.

    Images are in the order of their sorted ids, so nothing computed from the table depends on the order in which
    they were given.

    Attributes:
        img_ids (list): I image ids, sorted.
        row_of (dict): img_id -> its position in ``img_ids``.
        starts (numpy.ndarray): (I + 1,) int64, the detections of image i are ``starts[i]:starts[i + 1]``.
        images (numpy.ndarray): (N,) int64, the image of each detection as a position in ``img_ids``.
        bboxes (numpy.ndarray): (N, 4) float64.
        scores (numpy.ndarray): (N,) float64.
        embeds (numpy.ndarray | None): (N, D) float32, or float64 if given so; None if they were not asked for.
    """

    img_ids: list
    row_of: dict
    starts: np.ndarray
    images: np.ndarray
    bboxes: np.ndarray
    scores: np.ndarray
    embeds: np.ndarray | None

    @classmethod
    def build(cls,
              detections: Detections,
              score_thr: float,
              extra_img_ids: Iterable[Hashable] = (),
              with_embeds: bool = True) -> 'DetectionTable':
        """Validate and flatten ``detections``.

        Args:
            detections (Mapping): img_id -> (bboxes (n, 4), scores (n,), embeds (n, D)).
            score_thr (float): keep detections with score >= this.
            extra_img_ids (Iterable): images to list even if ``detections`` lacks them (they have no detection).
            with_embeds (bool): False ignores the embeddings, which may then be missing.

        Returns:
            DetectionTable: see the class.

        Raises:
            TypeError, ValueError: naming the image and what is wrong with its entry.
        """
        if not isinstance(detections, Mapping):
            raise TypeError('detections must be a dict img_id -> (bboxes, scores, embeds), '
                            f'got {type(detections).__name__}')
        if not detections:
            raise ValueError('detections must hold at least one image, got an empty dict; '
                             'give images without people an entry with empty arrays')
        score_thr = check_threshold(score_thr, 'score_thr')
        img_ids = sorted_ids({*detections, *extra_img_ids})
        entries = [_check_entry(img_id, detections[img_id], with_embeds) if img_id in detections else _NOTHING
                   for img_id in img_ids]
        bboxes = np.concatenate([entry[0] for entry in entries]).astype(np.float64)
        scores = np.concatenate([entry[1] for entry in entries]).astype(np.float64)
        images = np.repeat(np.arange(len(img_ids)), [len(entry[1]) for entry in entries])
        _check_values(bboxes, scores, lambda det: f'of image {img_ids[images[det]]!r}')

        keep = np.lexsort((-scores, images))
        keep = keep[scores[keep] >= score_thr]
        images = images[keep]
        return cls(
            img_ids=img_ids,
            row_of={img_id: row for row, img_id in enumerate(img_ids)},
            starts=np.searchsorted(images, np.arange(len(img_ids) + 1)),
            images=images,
            bboxes=bboxes[keep],
            scores=scores[keep],
            embeds=_stack_embeds(img_ids, entries)[keep] if with_embeds else None)

    def detections_of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Detections of several images, in the order of ``rows`` and once per mention.

        Args:
            rows (numpy.ndarray): (r,) int64 positions in ``img_ids``.

        Returns:
            tuple[numpy.ndarray, numpy.ndarray]: (k,) int64 detections and (k,) int64 positions in ``rows``.
        """
        counts = self.starts[rows + 1] - self.starts[rows]
        owners = np.repeat(np.arange(len(rows)), counts)  # (k,)
        offsets = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)  # 0, 1, … inside each image
        return self.starts[rows][owners] + offsets, owners


_NOTHING = (np.zeros((0, 4)), np.zeros(0), np.zeros((0, 0)))


def sorted_ids(img_ids: Iterable[Hashable]) -> list:
    """Ids in an order that depends on the ids alone, also where their types do not compare."""
    img_ids = list(img_ids)
    try:
        return sorted(img_ids)
    except TypeError:
        return sorted(img_ids, key=lambda img_id: (type(img_id).__name__, repr(img_id)))


def _check_entry(img_id: Hashable, entry: Any, with_embeds: bool) -> tuple:
    """Check the types and lengths of one image's entry."""
    name = f'detections[{img_id!r}]'
    if not isinstance(entry, (tuple, list)) or len(entry) != 3 and (with_embeds or len(entry) != 2):
        raise TypeError(f'{name} must be a tuple (bboxes (n, 4), scores (n,), embeds (n, D)), got '
                        f'{type(entry).__name__}' + (f' of {len(entry)}' if hasattr(entry, '__len__') else ''))
    bboxes, scores = as_array(entry[0], f'{name} bboxes'), as_array(entry[1], f'{name} scores')
    embeds = as_array(entry[2], f'{name} embeds') if with_embeds else None
    if bboxes.size == 0 and scores.size == 0 and (embeds is None or embeds.size == 0):
        return _NOTHING
    if bboxes.ndim != 2 or bboxes.shape[1] != 4:
        raise ValueError(f'{name} bboxes must have shape (n, 4), got {bboxes.shape}')
    if scores.shape != (len(bboxes), ):
        raise ValueError(f'{name} must have one score per box, got scores {scores.shape} for {len(bboxes)} boxes')
    if with_embeds and (embeds.ndim != 2 or len(embeds) != len(bboxes)):
        raise ValueError(f'{name} must have one embedding row per box, got embeds {embeds.shape} '
                         f'for {len(bboxes)} boxes')
    return bboxes, scores, embeds


def _check_values(bboxes: np.ndarray, scores: np.ndarray, where: Any) -> None:
    check_bbox_values(bboxes, lambda det: f'a detection {where(det)}')
    legal = (scores >= -1e-4) & (scores <= 1 + 1e-4)  # rounding of low-precision sigmoids is no mistake
    if not legal.all():
        det = int(np.argmin(legal))
        raise ValueError(f'the score of a detection {where(det)} must be in [0, 1], got {scores[det]}; '
                         'pass probabilities, not logits')


def _stack_embeds(img_ids: list, entries: list[tuple]) -> np.ndarray:
    """One (N, D) array; all images must agree on D and all numbers must be finite."""
    filled = [(img_id, entry[2]) for img_id, entry in zip(img_ids, entries) if len(entry[2])]
    if not filled:
        return np.zeros((0, 0))
    dims = filled[0][1].shape[1]
    for img_id, embeds in filled:
        if embeds.shape[1] != dims:
            raise ValueError(f'embeds must have the same length in every image, got {embeds.shape[1]} in image '
                             f'{img_id!r} and {dims} in image {filled[0][0]!r}')
    stacked = np.concatenate([embeds for _, embeds in filled])
    if not np.isfinite(stacked).all():
        img_id = next(img_id for img_id, embeds in filled if not np.isfinite(embeds).all())
        raise ValueError(f'embeds must be finite, got NaN or infinity in image {img_id!r}; look for an overflow or a '
                         'division by a zero norm in the model')
    return stacked.astype(np.promote_types(stacked.dtype, np.float32), copy=False)
