"""Weights from files of training, read without executing anything in them."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmengine.model import is_model_wrapper
from mmengine.runner import CheckpointLoader
from torch import nn

PRETRAINING_ONLY = ('momentum_encoders.', 'views.', 'texts.', 'attributes.', 'contrast.', 'classifier.',
                    'projection_classifier.')
"""How the names of weights begin that only the training of image and text encoders needs."""
EXTRA_STATE = '_extra_state'  # torch's name; the model itself compares it


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
        missing=[name for name in own if name not in weights and name != EXTRA_STATE],
        unexpected=[name for name in weights if name not in own],
        misshaped=[name for name in own if name in weights and name != EXTRA_STATE
                   and getattr(weights[name], 'shape', None) != own[name].shape])
    if any(wrong.values()):
        counts = ', '.join(f'{len(names)} {problem} (first: {names[0]})' for problem, names in wrong.items() if names)
        raise ValueError(f'{title} does not fit the model: {counts}; use the config of its training')
    model.load_state_dict(weights, strict=False)


def check_backbone(model: nn.Module, checkpoint: str | os.PathLike) -> None:
    """Stop where a checkpoint lacks weights of the model's backbone, which would stay random.

    Other parts may be missing: a backbone, or image encoder, alone is a fine start. A model that needs more has
    ``required_parts()``, the names of the parts that must be there.

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
    inner = model.module if is_model_wrapper(model) else model
    parts = inner.required_parts() if hasattr(inner, 'required_parts') else ('backbone', 'image_encoder')
    for part in parts:
        missing = [name for name, shape in own.items() if name.startswith(f'{part}.') and given.get(name) != shape
                   and not name.endswith('num_batches_tracked')]
        if missing:
            raise ValueError(f'checkpoint {checkpoint} does not fit the model: {len(missing)} weights of the {part} '
                             f'are missing or of another shape (first: {missing[0]}); use the config of its training, '
                             'or convert it, see docs/weights.md')


def check_start(model: nn.Module, checkpoint: str | os.PathLike | None, resume: bool) -> None:
    """Stop a training that would not start from what it needs.

    Args:
        model (nn.Module): wrapped or not.
        checkpoint: path or URL; None: nothing, or with ``resume`` whatever the work dir has.
        resume (bool): whether the training of the checkpoint goes on.

    Raises:
        FileNotFoundError, ValueError: see :func:`check_backbone`; a file of pretrained weights does not exist; the
            model needs a checkpoint and there is none; or the checkpoint to go on from is one of another stage.
    """
    _check_pretrained(model)
    inner = model.module if is_model_wrapper(model) else model
    if resume and checkpoint is not None and hasattr(inner, 'optimized_parts'):
        own, stored = set(inner.optimized_parts()), set(read_checkpoint(checkpoint).get('optimizer', ()))
        if stored != own:
            raise ValueError(f'checkpoint {checkpoint} must be of a training of {", ".join(sorted(own))} to go on from '
                             f'it, got one of {", ".join(sorted(map(str, stored)))}; a stage starts with load_from and '
                             'goes on with --resume')
    elif checkpoint is not None and not resume:
        check_backbone(model, checkpoint)
    elif hasattr(inner, 'required_parts') and not resume:
        raise ValueError(f'this training starts from {", ".join(inner.required_parts())} of an earlier one, got no '
                         'checkpoint; name it with --cfg-options load_from=CHECKPOINT')


def _check_pretrained(model: nn.Module) -> None:
    """Stop where a part shall start from a file that is not there."""
    for name, module in model.named_modules():
        start = getattr(module, 'init_cfg', None)
        path = start.get('checkpoint') if isinstance(start, Mapping) else None
        if path and '://' not in path and not os.path.isfile(path):
            raise FileNotFoundError(f'checkpoint {path} of {name or "the model"} does not exist; name another one in '
                                    'its init_cfg, or set init_cfg=None to start from random weights')


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
