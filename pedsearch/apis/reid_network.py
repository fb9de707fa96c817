"""A re-identification network from a config and a checkpoint."""

import copy
import os
import re
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import CheckpointLoader
from torch import nn

from pedsearch.registry import MODELS

from .person_search_inferencer import _weights_only


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a checkpoint; only tensors and plain values are read from it.

    Raises:
        FileNotFoundError, ValueError: naming the file.
    """
    try:
        with _weights_only():
            content = CheckpointLoader.load_checkpoint(os.fspath(path), map_location='cpu', logger='silent')
    except FileNotFoundError:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from None
    except Exception as error:  # foreign bytes break the reader anywhere
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise ValueError(f'checkpoint {path} cannot be read as weights ({reason}); it must be a file that training '
                         'saved') from None
    if not isinstance(content, Mapping):
        raise ValueError(f'checkpoint {path} must hold a dict of weights, got {type(content).__name__}')
    return dict(content)


def build_reid_network(cfg: Config, checkpoint: Mapping | None = None, device: str | torch.device = 'cpu') -> nn.Module:
    """The model of a config in evaluation mode, ready to embed.

    The head, with classifiers and memories of the training data, is built but its weights are not loaded.

    Args:
        cfg (Config): with ``model``.
        checkpoint (Mapping, optional): what :func:`read_checkpoint` gave. None: initialised as for training, so with
            the pretrained weights that the config names.
        device: where to put the model.

    Raises:
        ValueError: the weights are not those of this model, naming the first key of each kind.
    """
    with DefaultScope.overwrite_default_scope('pedsearch'):
        model = MODELS.build(copy.deepcopy(cfg.model))
        if checkpoint is None:
            model.init_weights()
    if checkpoint is not None:
        _load(model, checkpoint.get('state_dict', checkpoint))
    return model.to(device).eval()


def _load(model: nn.Module, weights: Mapping) -> None:
    weights = {re.sub(r'^module\.', '', name): weight for name, weight in weights.items()}
    weights, own = ({name: weight for name, weight in state.items() if not name.startswith('head.')}
                    for state in (weights, model.state_dict()))
    wrong = dict(
        missing=[name for name in own if name not in weights],
        unexpected=[name for name in weights if name not in own],
        misshaped=[name for name in own if name in weights and own[name].shape != weights[name].shape])
    if any(wrong.values()):
        counts = ', '.join(f'{len(names)} {problem} (first: {names[0]})' for problem, names in wrong.items() if names)
        raise ValueError(f'the checkpoint does not fit the model: {counts}; use the config of its training')
    model.load_state_dict(weights, strict=False)
