"""Find people by a sentence, among crops or in whole scenes.

Shape legend: N people of all images, T sentences, D embedding dimensions.
"""

import os
from collections.abc import Iterable, Sequence

import mmcv
import numpy as np
import torch
from mmengine.registry import DefaultScope
from torch import nn

from pedsearch.registry import INFERENCERS, MODELS

from .base_inferencer import Image, batches, named_batches
from .checkpoints import PRETRAINING_ONLY, load_weights
from .gallery_index import GalleryIndex, SearchHit
from .person_search_inferencer import PersonSearchInferencer
from .reid_inferencer import ReIDInferencer


@INFERENCERS.register_module()
class TextSearchInferencer(ReIDInferencer):
    """Embed sentences and pictures of people, index them, search them by a sentence.

    Args:
        config_or_model, checkpoint, device, batch_size: as in :class:`~pedsearch.apis.ReIDInferencer`, of a model with
            a text encoder.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.

    Example:
        >>> inferencer = TextSearchInferencer('val-pat.py', 'iter_320.pth')  # doctest: +SKIP
        >>> detector = PersonSearchInferencer('oim.py', 'epoch_12.pth')  # doctest: +SKIP
        >>> index = inferencer.index_scenes(detector, ['a.jpg', 'b.jpg'])  # doctest: +SKIP
        >>> inferencer.search_text('a woman in a red coat', index, topk=5)  # doctest: +SKIP
    """

    passed_over = PRETRAINING_ONLY

    def build_model(self, checkpoint: str | os.PathLike | None) -> nn.Module:
        """The model with the weights of a checkpoint, which must be given: random weights know no word."""
        if self.cfg.model.get('text_encoder') is None:
            raise ValueError(f'the config must be one with a text encoder, got {self.cfg.model.type}; take one of '
                             'configs/val_pat')
        if checkpoint is None:
            raise ValueError('search by sentences needs a checkpoint, got none; train a config of configs/val_pat')
        with DefaultScope.overwrite_default_scope('pedsearch'):
            model = MODELS.build(self.cfg.model)
        load_weights(model, checkpoint, self.passed_over)
        return model

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> np.ndarray:
        """Embeddings (T, D) float32 of T sentences, rows of length 1."""
        return self.model.extract_text_feat(texts).cpu().numpy()

    def index_scenes(self, detector: PersonSearchInferencer, images: Iterable[Image],
                     margin: float = 0.05) -> GalleryIndex:
        """Detect the people of whole scenes and embed each one's crop.

        Args:
            detector (PersonSearchInferencer): finds the boxes; its own embeddings are not used.
            images (Iterable): paths or arrays.
            margin (float): share of a box's size by which the crop is larger on each side, within the image.
        """
        seen = []
        found = detector.index(image for image in images if seen.append(image) is None)
        images = seen
        return self.index_people(images, [found.bboxes[found.image_inds == place] for place in range(len(images))],
                                 [found.scores[found.image_inds == place] for place in range(len(images))], margin)

    def index_people(self, images: Sequence[Image], bboxes: Sequence[np.ndarray],
                     scores: Sequence[np.ndarray] | None = None, margin: float = 0.05) -> GalleryIndex:
        """Embed the crops of known boxes.

        Args:
            images (Sequence): paths or arrays; an array is named by its position.
            bboxes (Sequence[numpy.ndarray]): (n, 4) xyxy of each image.
            scores (Sequence[numpy.ndarray], optional): (n,) confidence of each box; None: 1.
            margin (float): as in :meth:`index_scenes`.
        """
        if margin < 0:
            raise ValueError(f'margin must be >= 0, got {margin}')
        if len(images) != len(bboxes):
            raise ValueError(f'there must be boxes for each of {len(images)} images, got {len(bboxes)}')
        bboxes = [np.asarray(part, np.float32).reshape(-1, 4) for part in bboxes]
        scores = [np.ones(len(part), np.float32) for part in bboxes] if scores is None else scores
        crops = (crop for image, part in zip(images, bboxes) if len(part)
                 for crop in cut_people(_pixels(image), part, margin))
        parts = [self._embed([self._read(crop) for crop in batch]) for batch in batches(crops, self.batch_size)] \
            if any(map(len, bboxes)) else []
        dims = self.model.image_neck.out_features
        return GalleryIndex(
            images=[name for names, _ in named_batches(images, len(images)) for name in names],
            image_inds=np.repeat(np.arange(len(images)), list(map(len, bboxes))),
            bboxes=np.concatenate(bboxes),
            scores=np.concatenate(scores),
            embeds=np.concatenate([np.zeros((0, dims), np.float32), *parts]))

    def search_text(self, text: str, index: GalleryIndex, topk: int = 10) -> list[SearchHit]:
        """Find the people whom a sentence describes.

        Args:
            text (str): the sentence.
            index (GalleryIndex): of :meth:`index_scenes` or, for crops, of :meth:`index`.
            topk (int): number of answers.

        Returns:
            list[SearchHit]: by falling cosine similarity, ``score``.
        """
        return index.search(self.embed_text([text])[0], topk)


def cut_people(image: np.ndarray, bboxes: np.ndarray, margin: float) -> list[np.ndarray]:
    """Crops of boxes (n, 4) xyxy of an image (H, W, 3), at least a pixel wide and high.

    Each side moves outwards by ``margin`` of the box's size, within the image.
    """
    height, width = image.shape[:2]
    reach = margin * np.tile(bboxes[:, 2:] - bboxes[:, :2], 2) * (-1, -1, 1, 1)
    x1, y1, x2, y2 = (bboxes + reach).T
    x1, y1 = np.floor(x1).clip(0, width - 1).astype(int), np.floor(y1).clip(0, height - 1).astype(int)
    x2, y2 = np.ceil(x2).astype(int).clip(x1 + 1, width), np.ceil(y2).astype(int).clip(y1 + 1, height)
    return [image[top:bottom, left:right] for left, top, right, bottom in zip(x1, y1, x2, y2)]


def _pixels(image: Image) -> np.ndarray:
    return image if isinstance(image, np.ndarray) else mmcv.imread(os.fspath(image))
