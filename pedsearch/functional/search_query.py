"""One person to search for, checked on construction.

Shape legend: k other people in the query's image, m boxes of a target image, D embedding dimensions.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .arrays import as_array, as_img_id
from .boxes import check_bbox_values, check_bboxes


@dataclass(eq=False)
class SearchQuery:
    """One person to search for. Arrays, lists and tensors are accepted and kept as NumPy arrays.

    Attributes:
        img_id (Hashable): the image that shows the query.
        bbox (numpy.ndarray): (4,) its box in that image, xyxy.
        embed (numpy.ndarray): (D,) its embedding.
        targets (dict): img_id -> (m, 4) boxes of the same person in other images. Of several boxes in one image the
            first counts, as in the published protocols.
        gallery (Sequence | numpy.ndarray, optional): ids of the images to search. None: all images of the detections
            (and of any query's targets) but the query's own. A list is taken as it is: it may name the query's image.
        context_embeds (numpy.ndarray, optional): (k, D) embeddings of the other people in the query's image by falling
            detection confidence, the query not among them; only context matching looks at them.
        target_bboxes (numpy.ndarray): (t, 4) the box that counts in each image of ``targets``, derived.

    Raises:
        TypeError, ValueError: naming the field and what is wrong with it.
    """

    img_id: Hashable
    bbox: Any
    embed: Any
    targets: Mapping[Hashable, Any]
    gallery: Sequence[Hashable] | np.ndarray | None = None
    context_embeds: Any = None
    target_bboxes: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.img_id = as_img_id(self.img_id, 'img_id of a query')
        name = f'query in image {self.img_id!r}:'
        self.bbox = as_array(self.bbox, f'{name} bbox')
        if self.bbox.shape != (4, ):
            raise ValueError(f'{name} bbox must have shape (4,), got {self.bbox.shape}')
        self.bbox = check_bboxes(self.bbox[None], f'{name} bbox', allow_empty_area=False)[0]
        self.embed = _check_embeds(self.embed, 1, f'{name} embed')
        if self.context_embeds is not None:
            self.context_embeds = _check_embeds(self.context_embeds, 2, f'{name} context_embeds')
            if self.context_embeds.size == 0:
                self.context_embeds = np.zeros((0, len(self.embed)))
            if self.context_embeds.shape[1] != len(self.embed):
                raise ValueError(f'{name} context_embeds must have shape (k, {len(self.embed)}) like embed, '
                                 f'got {self.context_embeds.shape}')
        self.targets = _check_targets(self.targets, name)
        self.target_bboxes = np.array([bboxes[0] for bboxes in self.targets.values()], dtype=np.float64).reshape(-1, 4)
        if self.gallery is not None:
            self.gallery = _check_gallery(self.gallery, name)


def _check_embeds(embeds: Any, ndim: int, name: str) -> np.ndarray:
    embeds = as_array(embeds, name)
    embeds = embeds.astype(np.promote_types(embeds.dtype, np.float32))
    if embeds.size and not np.isfinite(embeds).all():
        raise ValueError(f'{name} must be finite, got NaN or infinity; look for an overflow or a '
                         'zero norm in the model')
    if ndim == 1 and (embeds.ndim != 1 or embeds.size == 0) or embeds.size and embeds.ndim != ndim:
        raise ValueError(f'{name} must have shape {"(D,)" if ndim == 1 else "(k, D)"}, got {embeds.shape}')
    return embeds


def _check_targets(targets: Any, name: str) -> dict[Hashable, np.ndarray]:
    """Targets as arrays; an image with an empty list of boxes does not show the person and is dropped."""
    if not isinstance(targets, Mapping):
        raise TypeError(f'{name} targets must be a dict img_id -> (m, 4) boxes, got {type(targets).__name__}')
    targets = {as_img_id(img_id, f'{name} a key of targets'): as_array(bboxes, f'{name} targets[{img_id!r}]')
               for img_id, bboxes in targets.items()}
    targets = {img_id: bboxes for img_id, bboxes in targets.items() if bboxes.size}
    for img_id, bboxes in targets.items():
        if bboxes.ndim != 2 or bboxes.shape[1] != 4:
            raise ValueError(f'{name} targets[{img_id!r}] must have shape (m, 4), got {bboxes.shape}')
    if targets:
        owners = [img_id for img_id, bboxes in targets.items() for _ in bboxes]
        stacked = np.concatenate(list(targets.values())).astype(np.float64)
        check_bbox_values(stacked, lambda row: f'{name} a box of targets[{owners[row]!r}]', allow_empty_area=False)
    return targets


def _check_gallery(gallery: Any, name: str) -> Sequence[Hashable] | np.ndarray:
    """The gallery itself where it can be indexed, so that queries which share one keep sharing it."""
    if isinstance(gallery, torch.Tensor):
        gallery = as_array(gallery, f'{name} gallery')
    if isinstance(gallery, (str, bytes, Mapping)) or not isinstance(gallery, (Collection, np.ndarray)):
        raise TypeError(f'{name} gallery must be a sequence of image ids or None, got {type(gallery).__name__}')
    if isinstance(gallery, np.ndarray):
        return gallery
    if all(isinstance(img_id, (int, str, np.integer)) for img_id in gallery):
        return gallery if isinstance(gallery, (list, tuple)) else list(gallery)
    return [as_img_id(img_id, f'{name} an entry of gallery') for img_id in gallery]
