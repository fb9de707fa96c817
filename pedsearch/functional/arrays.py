"""From what users hold (lists, NumPy arrays, torch tensors on any device) to NumPy arrays and image ids."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch


def as_array(value: Any, name: str) -> np.ndarray:
    """Numeric NumPy view or copy of ``value``.

    Args:
        value (array-like | torch.Tensor): any shape; bfloat16 becomes float32.
        name (str): what to call the value in an error.

    Returns:
        numpy.ndarray: same shape, dtype boolean, integer or float.

    Raises:
        TypeError: if the value does not hold plain numbers.
    """
    kind = type(value).__name__ + (f' of {value.dtype}' if isinstance(value, (np.ndarray, torch.Tensor)) else '')
    if isinstance(value, torch.Tensor):
        value = value.detach().to_dense().cpu()
        array = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    else:
        try:
            array = np.asarray(value)
        except (ValueError, RuntimeError):  # rows of unequal length; tensors that require gradients
            array = np.empty(0, dtype=object)
    if array.dtype.kind not in 'biuf':
        raise TypeError(f'{name} must be an array of numbers, got {kind}; pass a NumPy array or a torch tensor')
    return array


def as_img_id(value: Any, name: str) -> Hashable:
    """``value`` itself, or the number in a 0-d array or tensor, which as a dict key would equal no other.

    Raises:
        TypeError: if the value cannot tell images apart.
    """
    if isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 0:
        return value.item()
    if isinstance(value, torch.Tensor) or not isinstance(value, Hashable):
        raise TypeError(f'{name} must be an image id such as an int or a file name, got {type(value).__name__}')
    return value
