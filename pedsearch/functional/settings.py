"""Settings of the evaluation, checked before anything is computed."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
import torch


def check_threshold(value: Any, name: str) -> float:
    """``value`` as a float; ValueError unless it is a number (Python, NumPy, 0-d tensor) and not NaN."""
    number = value.item() if isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 0 else value
    if isinstance(number, bool) or not isinstance(number, Real) or np.isnan(number):
        raise ValueError(f'{name} must be a number, got {value!r}')
    return float(number)


def check_iou_thr(value: Any) -> float:
    """``value`` as a float; ValueError unless it is an overlap that makes a match."""
    iou_thr = check_threshold(value, 'iou_thr')
    if not 0 < iou_thr <= 1:
        raise ValueError(f'iou_thr must be in (0, 1], got {iou_thr}; it is an intersection over union')
    return iou_thr


def check_topk(topk: Any) -> tuple[int, ...]:
    """``topk`` as a tuple; ValueError unless it holds ints >= 1."""
    ranks = topk.tolist() if isinstance(topk, (np.ndarray, torch.Tensor)) else topk
    legal = isinstance(ranks, Sequence) and not isinstance(ranks, str) and len(ranks) > 0
    if not legal or any(isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1 for k in ranks):
        raise ValueError(f'topk must be a sequence of ints >= 1 such as (1, 5, 10), got {topk!r}')
    return tuple(int(k) for k in ranks)


def check_count(value: Any, name: str, at_least: int = 1) -> int:
    """``value`` as an int; ValueError unless it is one and not below ``at_least``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < at_least:
        raise ValueError(f'{name} must be an int >= {at_least}, got {value!r}')
    return int(value)


def check_flag(value: Any, name: str) -> bool:
    """``value`` as a bool; ValueError for anything else, for the text 'no' is true."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f'{name} must be True or False, got {value!r}')
    return bool(value)
