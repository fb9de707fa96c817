"""What memories demand of their settings and inputs.

Shape legend: B embeddings, R rows of a memory, D embedding dimensions.
"""

import torch
from torch import Tensor


def check_memory_settings(name: str, embed_dims: int, temperature: float, momentum: float) -> None:
    """Raise ValueError where a setting is out of range."""
    if embed_dims < 1:
        raise ValueError(f'{name} needs embed_dims >= 1, got {embed_dims}; it is the width of the embedding')
    if temperature <= 0:
        raise ValueError(f'temperature must be positive, got {temperature}')
    if not 0 <= momentum <= 1:
        raise ValueError(f'momentum must lie in [0, 1], got {momentum}; it is the weight of the old row')


def check_rows(embed: Tensor, ids: Tensor, rows: Tensor, name: str, at_least: int, remedy: str) -> None:
    """Raise where embeddings and the rows they belong to do not fit a memory.

    Args:
        embed (Tensor): (B, D).
        ids (Tensor): (B,) integers in ``at_least``...R-1.
        rows (Tensor): (R, D), the memory.
        name (str): what to call ``ids``.
        at_least (int): smallest number allowed.
        remedy (str): what to do about ids out of range.

    Raises:
        TypeError: no tensors, or ids that are no integers.
        ValueError: wrong shapes, no rows, or an id out of range (looked for on the CPU only).
    """
    if not isinstance(embed, Tensor) or not isinstance(ids, Tensor):
        raise TypeError(f'embed and {name} must be tensors, got {type(embed).__name__} and {type(ids).__name__}')
    if embed.ndim != 2 or embed.size(1) != rows.size(1) or ids.shape != embed.shape[:1]:
        raise ValueError(f'embed must have shape (B, {rows.size(1)}) and {name} (B,), got {tuple(embed.shape)} and '
                         f'{tuple(ids.shape)}')
    if ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise TypeError(f'{name} must be integers, got {ids.dtype}')
    if len(ids) and not len(rows):
        raise ValueError(f'the memory has no rows yet, got {len(ids)} {name}; fill it with reset() or a checkpoint')
    if ids.device.type != 'cpu':  # reading values would wait for the device, whose indexing checks them itself
        return
    if len(ids) and not (ids.min() >= at_least and ids.max() < len(rows)):
        raise ValueError(f'{name} must lie in {at_least}...{len(rows) - 1}, got {int(ids.min())}...{int(ids.max())}; '
                         f'{remedy}')
