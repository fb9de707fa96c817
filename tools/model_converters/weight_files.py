"""Reading foreign weight files without running their code, and writing checkpoints whole or not at all."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

CONTAINERS = ('state_dict', 'model', 'teacher', 'state_dict_1')
NAMED = 5  # problems that an error names before it counts the rest


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a weight file by name, without the ``module.`` that data parallel training puts before each.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds something else than tensors by name.
    """
    if not path.is_file():
        raise FileNotFoundError(f'expected a weight file, found none at {path}')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} is no plain weight file ({type(error).__name__}); only tensors are read, save the '
                         'state dict alone') from error
    if isinstance(content, dict):
        content = next((content[name] for name in CONTAINERS if isinstance(content.get(name), dict)), content)
    if not isinstance(content, dict) or not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(f'{path} must hold tensors by name, got {type(content).__name__}; save model.state_dict()')
    return without_prefix(content, 'module.')


def without_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors without a prefix that all names have; unchanged where one of them lacks it."""
    if not all(name.startswith(prefix) for name in tensors):
        return tensors
    return {name.removeprefix(prefix): value for name, value in tensors.items()}


def single_precision(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Half and double precision as float32, integers as they are."""
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def first_few(problems: Iterable[str]) -> str:
    """``a; b; c; d; e and 7 more``."""
    problems = list(problems)
    more = f' and {len(problems) - NAMED} more' if len(problems) > NAMED else ''
    return '; '.join(problems[:NAMED]) + more


def write_checkpoint(path: Path, tensors: dict[str, Tensor], meta: dict) -> None:
    """The file appears under its name only when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f'{path.name}.partial')
    torch.save(dict(meta=meta, state_dict=tensors), partial)
    partial.replace(path)
