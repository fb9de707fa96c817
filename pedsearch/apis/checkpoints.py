"""Weights from files of training, read without executing anything in them."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.runner import CheckpointLoader
from torch import nn


def read_checkpoint(path: str | os.PathLike) -> dict[str, Any]:
    """Content of a checkpoint, a file or URL; only tensors and plain values are read from it.

    Raises:
        FileNotFoundError, ValueError: naming the file.
    """
    try:
        with _weights_only():
            content = CheckpointLoader.load_checkpoint(os.fspath(path), map_location='cpu', logger='silent')
    except FileNotFoundError:
        raise FileNotFoundError(f'checkpoint {path} does not exist') from None
    except Exception as error:  # foreign bytes break the reader anywhere
        told = re.search(r'WeightsUnpickler error:\s*([^\n]+)', str(error))
        reason = told[1].split('. ')[0] if told else f'{type(error).__name__}: {error}'.splitlines()[0]
        raise ValueError(f'checkpoint {path} cannot be read as weights ({reason}); it must be a file that training '
                         'saved') from None
    if not isinstance(content, Mapping):
        raise ValueError(f'checkpoint {path} must hold a dict of weights, got {type(content).__name__}')
    return dict(content)


def load_weights(model: nn.Module, checkpoint: str | os.PathLike | Mapping,
                 passed_over: Sequence[str] = ('roi_head.memory.', )) -> None:
    """Fill a model from a checkpoint of training; apart from what is passed over, both must have the same names.

    Args:
        model (nn.Module): changed in place.
        checkpoint: path or URL, or what :func:`read_checkpoint` gave; with the weights as ``state_dict`` or bare.
        passed_over (Sequence[str]): beginnings of the names that are neither loaded nor required, such as those of the
            memory of the training data.

    Raises:
        FileNotFoundError, ValueError: the file is missing, unreadable, or of another model, naming the first weight of
            each kind.
    """
    if isinstance(checkpoint, Mapping):
        content, title = checkpoint, 'the checkpoint'
    else:
        content, title = read_checkpoint(checkpoint), f'checkpoint {checkpoint}'
    weights = content.get('state_dict', content)
    if not isinstance(weights, Mapping):
        raise ValueError(f'{title} must hold a dict of weights, got {type(weights).__name__}')
    weights = {re.sub(r'^module\.', '', str(name)): weight for name, weight in weights.items()}
    weights, own = ({name: weight for name, weight in state.items() if not name.startswith(tuple(passed_over))}
                    for state in (weights, model.state_dict()))
    wrong = dict(
        missing=[name for name in own if name not in weights],
        unexpected=[name for name in weights if name not in own],
        misshaped=[name for name in own
                   if name in weights and getattr(weights[name], 'shape', None) != own[name].shape])
    if any(wrong.values()):
        counts = ', '.join(f'{len(names)} {problem} (first: {names[0]})' for problem, names in wrong.items() if names)
        raise ValueError(f'{title} does not fit the model: {counts}; use the config of its training')
    model.load_state_dict(weights, strict=False)


def check_backbone(model: nn.Module, checkpoint: str | os.PathLike) -> None:
    """Stop where a checkpoint lacks weights of the model's backbone, which would stay random.

    Other parts may be missing: a backbone alone is a fine start.

    Args:
        model (nn.Module): wrapped or not.
        checkpoint: path or URL.

    Raises:
        FileNotFoundError, ValueError: the file is missing, unreadable, or of another backbone.
    """
    weights = read_checkpoint(checkpoint)
    weights = weights.get('state_dict', weights)
    given = {re.sub(r'^module\.', '', str(name)): getattr(weight, 'shape', None) for name, weight in weights.items()}
    own = {re.sub(r'^module\.', '', name): weight.shape for name, weight in model.state_dict().items()}
    own = {name: shape for name, shape in own.items()
           if name.startswith('backbone.') and not name.endswith('num_batches_tracked')}
    missing = [name for name, shape in own.items() if given.get(name) != shape]
    if missing:
        raise ValueError(f'checkpoint {checkpoint} does not fit the model: {len(missing)} weights of the backbone are '
                         f'missing or of another shape (first: {missing[0]}); use the config of its training, or '
                         'convert it, see docs/weights.md')


@contextmanager
def _weights_only() -> Iterator[None]:
    """Keep torch.load from unpickling anything but tensors and plain values."""
    name = 'TORCH_FORCE_WEIGHTS_ONLY_LOAD'
    before = os.environ.get(name)
    os.environ[name] = '1'
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
