"""Tell the attributes of people in pictures, with a trained model.

Shape legend: N pictures, B pictures of a batch, A attributes.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from pedsearch.registry import INFERENCERS, MODELS
from pedsearch.structures import UNLABELED

from .base_inferencer import BaseInferencer, Image, batches
from .checkpoints import PRETRAINING_ONLY, load_weights


@INFERENCERS.register_module()
class AttributeInferencer(BaseInferencer):
    """Probabilities of attributes of crops of one person each.

    Args:
        config_or_model, checkpoint, device: as in :class:`~pedsearch.apis.ReIDInferencer`, of a model that tells
            attributes, such as :class:`~pedsearch.models.pretrain.AttributeModel`.
        batch_size: images per forward pass.
        workers: threads that read images; 0: none but the caller's.

    Raises:
        TypeError, ValueError, FileNotFoundError: in one line that says what to do.

    Example:
        >>> inferencer = AttributeInferencer('config.py', 'epoch_30.pth')  # doctest: +SKIP
        >>> inferencer.probabilities(['a.jpg', 'b.jpg']).shape  # doctest: +SKIP
        (2, 26)
    """

    passed_over = PRETRAINING_ONLY

    def __init__(self, config_or_model: str | os.PathLike | Config | nn.Module,
                 checkpoint: str | os.PathLike | None = None, device: str | torch.device | None = None,
                 batch_size: int = 64, workers: int = 0) -> None:
        if batch_size < 1 or workers < 0:
            raise ValueError(f'batch_size must be >= 1 and workers >= 0, got {batch_size} and {workers}')
        super().__init__(config_or_model, checkpoint, device)
        if getattr(self.model, 'attribute_head', None) is None:
            raise ValueError(f'the model must tell attributes, got {type(self.model).__name__} without attribute_head; '
                             'train an AttributeModel, or a ValPat with the objective attributes')
        self.batch_size, self.workers = batch_size, workers

    def build_model(self, checkpoint: str | os.PathLike | None) -> nn.Module:
        """The model with the weights of a checkpoint, which must be given: random weights know nobody."""
        if checkpoint is None:
            raise ValueError('attributes need a checkpoint, got none; train a model that tells attributes')
        with DefaultScope.overwrite_default_scope('pedsearch'):
            model = MODELS.build(self.cfg.model)
        load_weights(model, checkpoint, self.passed_over)
        return model

    @property
    def num_attributes(self) -> int:
        """A."""
        return self.model.attribute_head.out_features

    def probabilities(self, images: Iterable[Image]) -> np.ndarray:
        """Probabilities (N, A) float32 in [0, 1] of N paths or arrays."""
        return np.concatenate([self._tell(batch) for batch in batches(images, self.batch_size)])

    def _tell(self, images: Sequence[Image]) -> np.ndarray:
        """(B, A)."""
        if self.workers:
            with ThreadPoolExecutor(self.workers) as pool:
                samples = list(pool.map(self._prepare, images))
        else:
            samples = [self._prepare(image) for image in images]
        return torch.stack([sample.attribute_probs for sample in self._run(samples)]).cpu().numpy()

    def _prepare(self, image: Image) -> dict:
        """What the model takes of one image."""
        return self._transform(dict(self._read(image), sample_idx=0, pid=UNLABELED, camid=-1))
