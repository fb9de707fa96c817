"""Settings of the clusterers, checked before anything is computed."""

from typing import Any

import numpy as np

from pedsearch.functional.arrays import as_array
from pedsearch.functional.settings import check_threshold


def check_eps(eps: Any) -> np.ndarray:
    """``eps`` as an array, 0-d for one radius and (E,) for several; ValueError unless each is in [0, 1)."""
    try:
        radii = as_array(eps, 'eps')
    except TypeError:
        radii = np.empty((0, 0))
    if radii.ndim > 1 or not radii.size or radii.dtype.kind == 'b':
        raise ValueError(f'eps must be a number or a sequence of numbers, got {eps!r}')
    radii = radii.astype(np.float64)
    if not ((radii >= 0) & (radii < 1)).all():
        raise ValueError(f'eps must be in [0, 1), got {eps!r}; pairs that the graph does not store have the '
                         'distance 1, so a larger radius would join all points')
    return radii


def check_ratio(value: Any, name: str) -> float:
    """``value`` as a float; ValueError unless it is a share of something, in (0, 1]."""
    ratio = check_threshold(value, name)
    if not 0 < ratio <= 1:
        raise ValueError(f'{name} must be in (0, 1], got {ratio}')
    return ratio
