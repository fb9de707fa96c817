"""A re-identification network from a config and a checkpoint."""

import copy
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from torch import nn

from pedsearch.registry import MODELS

from .checkpoints import load_weights

TRAINING_ONLY = ('head.', )
"""Beginnings of the names of weights that embedding does not need: classifiers and memories of the training data."""


def build_reid_network(cfg: Config, checkpoint: str | os.PathLike | Mapping | None = None,
                       device: str | torch.device = 'cpu') -> nn.Module:
    """The model of a config in evaluation mode, ready to embed.

    The head, with classifiers and memories of the training data, is built but its weights are not loaded.

    Args:
        cfg (Config): with ``model``.
        checkpoint: a path or URL, or what :func:`~pedsearch.apis.read_checkpoint` gave. None: initialised as for
            training, so with the pretrained weights that the config names.
        device: where to put the model.

    Raises:
        FileNotFoundError, ValueError: the config is one of person search; the checkpoint is missing, unreadable, or its
            weights are not those of this model.
    """
    if 'roi_head' in cfg.model:
        raise ValueError(f'the config must be one of re-identification, got {cfg.model.type} with a roi_head; use '
                         'PersonSearchInferencer and tools/search.py for person search')
    with DefaultScope.overwrite_default_scope('pedsearch'):
        model = MODELS.build(copy.deepcopy(cfg.model))
        if checkpoint is None:
            with _silence():
                model.init_weights()
    if checkpoint is not None:
        load_weights(model, checkpoint, TRAINING_ONLY)
    return model.to(device).eval()


@contextmanager
def _silence() -> Iterator[None]:
    """Keep mmengine from telling how it initialised each parameter."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
