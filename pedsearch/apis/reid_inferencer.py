"""Embed pictures of people and search among them, with a trained re-identification network.

Shape legend: N images, B images of a batch, D embedding dimensions.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.logging import print_log
from torch import nn

from pedsearch.registry import INFERENCERS
from pedsearch.structures import UNLABELED

from .base_inferencer import BaseInferencer, Image, batches, named_batches, own_names
from .gallery_index import GalleryIndex, SearchHit
from .reid_network import TRAINING_ONLY, build_reid_network


@INFERENCERS.register_module()
class ReIDInferencer(BaseInferencer):
    """Embed crops of one person each, index them, search them.

    Args:
        config_or_model: a config (path or :class:`mmengine.config.Config`), or a model that carries its config as
            ``cfg``.
        checkpoint: weights, as a path or URL; only tensors and plain values are read from it. None keeps the weights of
            a model, and gives those of a config the values that training starts from.
        device: where to run. Default: the first accelerator there is, or the CPU.
        batch_size: images per forward pass.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.

    Example:
        >>> inferencer = ReIDInferencer('config.py', 'epoch_50.pth')  # doctest: +SKIP
        >>> inferencer.embed(['a.jpg', 'b.jpg']).shape  # doctest: +SKIP
        (2, 2048)
        >>> index = inferencer.index(['a.jpg', 'b.jpg'])  # doctest: +SKIP
        >>> [(hit.image, hit.score) for hit in inferencer.search('query.jpg', index, topk=1)]  # doctest: +SKIP
        [('b.jpg', 0.871)]
    """

    passed_over = TRAINING_ONLY

    def __init__(self, config_or_model: str | os.PathLike | Config | nn.Module,
                 checkpoint: str | os.PathLike | None = None, device: str | torch.device | None = None,
                 batch_size: int = 64) -> None:
        if batch_size < 1:
            raise ValueError(f'batch_size must be >= 1, got {batch_size}')
        super().__init__(config_or_model, checkpoint, device)
        self.batch_size = batch_size

    def build_model(self, checkpoint: str | os.PathLike | None) -> nn.Module:
        """The model; without a checkpoint as training starts."""
        if checkpoint is None:
            print_log('no checkpoint given: the weights are those that training starts from', logger='current',
                      level=logging.WARNING)
        return build_reid_network(self.cfg, checkpoint)

    def embed(self, images: Iterable[Image]) -> np.ndarray:
        """Embeddings (N, D) float32 of N paths or arrays, rows of length 1: their products are cosine similarities."""
        parts = [self._embed([self._read(image) for image in batch]) for batch in batches(images, self.batch_size)]
        return np.concatenate(parts)

    def index(self, images: Iterable[Image]) -> GalleryIndex:
        """Embed a gallery: each image is one person, who fills it, with confidence 1.

        Args:
            images (Iterable): paths or arrays; an array is named by its position.
        """
        names, sizes, embeds = [], [], []
        for batch_names, batch in named_batches(images, self.batch_size):
            infos = [self._read(image) for image in batch]
            names += batch_names
            sizes += [(info['width'], info['height']) for info in infos]
            embeds.append(self._embed(infos))
        return GalleryIndex(
            images=names,
            image_inds=np.arange(len(names)),
            bboxes=np.pad(sizes, ((0, 0), (2, 0))),  # (N, 2) -> (N, 4), from the corner (0, 0)
            scores=np.ones(len(names)),
            embeds=np.concatenate(embeds))

    def search(self, query: Image, index: GalleryIndex, topk: int = 10,
               leave_out_query: bool = True) -> list[SearchHit]:
        """Find the person of a picture in a gallery.

        Args:
            query: path or array.
            index (GalleryIndex): made by the same model.
            topk (int): number of answers.
            leave_out_query (bool): do not search the query itself, told by its path.

        Returns:
            list[SearchHit]: by falling cosine similarity, ``score``.
        """
        leave_out = own_names(query, index) if leave_out_query else ()
        return index.search(self.embed([query])[0], topk, leave_out=leave_out)

    def _embed(self, infos: Sequence[Mapping]) -> np.ndarray:
        """(B, D) of B images as :meth:`_read` gives them."""
        samples = self._run([self._transform(dict(info, sample_idx=0, pid=UNLABELED, camid=-1)) for info in infos])
        return F.normalize(torch.stack([sample.feat for sample in samples]).float(), dim=1).cpu().numpy()
