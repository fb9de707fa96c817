"""Search for a person in images, with a trained model.

Shape legend: n detections of one image, q boxes of one image, D embedding dimensions.
"""

import copy
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from torch import nn

from pedsearch.functional import check_bboxes
from pedsearch.functional.arrays import as_array
from pedsearch.registry import INFERENCERS, MODELS
from pedsearch.structures import UNLABELED, SearchDataSample

from .base_inferencer import BaseInferencer, Image, named_batches, own_names
from .checkpoints import load_weights
from .gallery_index import GalleryIndex, SearchHit


@dataclass(frozen=True)
class Detections:
    """People of one image by falling score: bboxes (n, 4) xyxy, scores (n,), unit embeds (n, D), all float32."""

    bboxes: np.ndarray
    scores: np.ndarray
    embeds: np.ndarray


@INFERENCERS.register_module()
class PersonSearchInferencer(BaseInferencer):
    """Detect people, index a gallery, search it.

    The images of a batch are padded to one size, which changes numbers slightly where sizes differ.

    Args:
        config_or_model: a config (path or :class:`mmengine.config.Config`), or a model that carries its config as
            ``cfg``.
        checkpoint: weights, as a path or URL; only tensors and plain values are read from it. None keeps the weights of
            a model, and leaves those of a config random.
        device: where to run. Default: the first accelerator there is, or the CPU.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.

    Example:
        >>> inferencer = PersonSearchInferencer('config.py', 'epoch_20.pth')  # doctest: +SKIP
        >>> index = inferencer.index(['a.jpg', 'b.jpg'])  # doctest: +SKIP
        >>> inferencer.search('query.jpg', (100, 80, 160, 260), index, topk=5)  # doctest: +SKIP
    """

    passed_over = ('roi_head.memory.', )

    def __init__(self, config_or_model: str | os.PathLike | Config | nn.Module,
                 checkpoint: str | os.PathLike | None = None, device: str | torch.device | None = None) -> None:
        super().__init__(config_or_model, checkpoint, device)
        # A protocol may take a detection for the query; here the query is the box that was asked for.
        self.model.roi_head.test_cfg.query = 'gt_box'
        self.score_weighted = bool(_first(self.cfg.get('test_evaluator') or {}).get('score_weighted', False))

    def build_model(self, checkpoint: str | os.PathLike | None) -> nn.Module:
        """The model without its training memory; random without a checkpoint."""
        model = build_model(self.cfg)
        if checkpoint is None:
            print_log('no checkpoint given: the weights are random', logger='current', level=logging.WARNING)
        else:
            load_weights(model, checkpoint, self.passed_over)
        return model

    def detect(self, image: Image) -> Detections:
        """Find the people in an image."""
        return _detections(self._run([self._prepare(image, ())])[0])

    def embed(self, image: Image, bboxes: Any) -> np.ndarray:
        """Embeddings (q, D) of boxes (q, 4) xyxy in an image, of length 1 but for networks that are set otherwise; what
        sticks out of the image is cut off.
        """
        bboxes = check_bboxes(as_array(bboxes, 'bboxes'), 'bboxes', allow_empty_area=False)
        if not len(bboxes):
            raise ValueError('bboxes must hold at least one (x1, y1, x2, y2) row, got none')
        return _numpy(self._run([self._prepare(image, bboxes)])[0].query_instances.embeds)

    def index(self, images: Iterable[Image], batch_size: int = 1) -> GalleryIndex:
        """Detect and embed all people of many images.

        Args:
            images (Iterable): paths or arrays; an array is named by its position.
            batch_size (int): images per forward pass.
        """
        names, found = [], []
        for batch_names, batch in named_batches(images, batch_size):
            names += batch_names
            found += [_detections(sample) for sample in self._run([self._prepare(image, ()) for image in batch])]
        return GalleryIndex(
            images=names,
            image_inds=np.repeat(np.arange(len(names)), [len(one.scores) for one in found]),
            bboxes=np.concatenate([one.bboxes for one in found]),
            scores=np.concatenate([one.scores for one in found]),
            embeds=np.concatenate([one.embeds for one in found]))

    def search(self, query_image: Image, query_bbox: Any, index: GalleryIndex, topk: int = 10,
               leave_out_query_image: bool = True) -> list[SearchHit]:
        """Find the person of a box in a gallery.

        Args:
            query_image: path or array.
            query_bbox (array-like): (4,) xyxy in its pixels.
            index (GalleryIndex): made by the same model.
            topk (int): number of answers.
            leave_out_query_image (bool): do not search the image of the query itself, told by its path.

        Returns:
            list[SearchHit]: by falling similarity, weighted by the detector's confidence where the config's
            ``test_evaluator`` says so.
        """
        bbox = as_array(query_bbox, 'query_bbox')
        if bbox.shape != (4, ):
            raise ValueError(f'query_bbox must have shape (4,), got {bbox.shape}; give one (x1, y1, x2, y2)')
        leave_out = own_names(query_image, index) if leave_out_query_image else ()
        return index.search(self.embed(query_image, bbox[None])[0], topk, self.score_weighted, leave_out)

    def _prepare(self, image: Image, bboxes: Sequence) -> dict:
        """Run the test pipeline on an image with query boxes."""
        info = self._read(image)
        queries = [dict(query_id=place, bbox=_clip(bbox, info['height'], info['width']), pid=UNLABELED)
                   for place, bbox in enumerate(bboxes)]
        return self._transform(dict(info, img_id=0, camid=-1, instances=[], queries=queries))


def build_model(cfg: Config) -> nn.Module:
    """The model of a config without its training memory."""
    if 'roi_head' not in cfg.model:
        raise ValueError(f'the config must be one of person search, got {cfg.model.type} without roi_head; use '
                         'ReIDInferencer for re-identification')
    model = copy.deepcopy(cfg.model)
    model.roi_head.pop('memory', None)
    with DefaultScope.overwrite_default_scope('pedsearch'):
        return MODELS.build(model)


# -- small conversions ------------------------------------------------------------------------------------------------


def _first(value: Any) -> Mapping:
    return value[0] if isinstance(value, Sequence) else value


def _clip(bbox: np.ndarray, height: int, width: int) -> list[float]:
    clipped = np.clip(bbox, 0, (width, height, width, height))
    if (clipped[2:] <= clipped[:2]).any():
        raise ValueError(f'bbox {bbox.tolist()} lies outside the image of {width} x {height} pixels; give '
                         '(x1, y1, x2, y2) in its pixels')
    return clipped.tolist()


def _detections(sample: SearchDataSample) -> Detections:
    found = sample.pred_instances
    return Detections(_numpy(found.bboxes), _numpy(found.scores), _numpy(found.embeds))


def _numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()
