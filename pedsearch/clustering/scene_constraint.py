"""One person is in a scene once: boxes of one image do not share a cluster.

Shape legend: N boxes, D embedding dimensions, K clusters, C boxes that share image and cluster with another.
"""

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from pedsearch.functional.arrays import as_array, as_img_id
from pedsearch.functional.neighbours import check_feats, unit_rows

from .labels import NOISE, check_labels, to_singletons

_SAME_FIT = 1e-9  # far above the rounding of double precision, far below what tells boxes apart


def split_same_scene(labels: Any, feats: Any, image_ids: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    """Leave at most one box of an image in a cluster.

    Where an image has several boxes of one cluster, the box with the largest dot product with the centre of the cluster
    stays, and each other becomes a cluster of its own. Of equal ones, up to 1e-9, the lowest index stays; two boxes
    that are the whole cluster are always equal. The centre is the mean of the normalised features of all members,
    itself not normalised; it is not computed anew in between.

    Args:
        labels (array-like | torch.Tensor): (N,) integers, -1 is noise.
        feats (array-like | torch.Tensor): (N, D) features, L2-normalised inside.
        image_ids (Sequence[int | str] | numpy.ndarray | torch.Tensor): (N,) the image that each box lies in.

    Returns:
        numpy.ndarray: (N,) int64 labels. Noise stays -1, the boxes that leave are numbered from the largest
        label + 1 in index order; labels without gaps stay without gaps.

    Raises:
        TypeError: if labels are no integers, features no numbers, or an image id cannot tell images apart.
        ValueError: if lengths differ, a label is below -1, or a feature is NaN or infinite.

    Source: CGPS (Yan et al., AAAI 2022) and DICL, released code.
    Deviation: among equal ones rounding decides there.

    Example:
        >>> feats = [[1, 0], [.9, .1], [.8, .3], [0, 1], [.1, .9], [.7, .7]]
        >>> split_same_scene([0, 0, 0, 1, 1, 0], feats, image_ids=[0, 0, 1, 1, 2, 1]).tolist()
        [2, 0, 0, 1, 1, 3]
    """
    labels = check_labels(labels, 'labels')
    feats = check_feats(feats)
    if len(feats) != len(labels):
        raise ValueError(f'feats must have {len(labels)} rows, one a label, got {len(feats)}')
    images = _image_numbers(image_ids, len(labels))
    clustered = np.flatnonzero(labels != NOISE)
    clusters = np.unique(labels[clustered], return_inverse=True)[1]
    scenes = clusters * (images.max(initial=0) + 1) + images[clustered]  # one number for each cluster in each image
    _, scenes, num_boxes = np.unique(scenes, return_inverse=True, return_counts=True)
    shared = num_boxes[scenes] > 1
    contested, scenes = clustered[shared], scenes[shared]  # (C,), (C,)
    fits = _dots_with_centres(feats, labels, contested)
    best = np.full(len(num_boxes), -np.inf)
    np.maximum.at(best, scenes, fits)
    fitting = np.flatnonzero(fits >= best[scenes] - _SAME_FIT)
    stays = fitting[np.unique(scenes[fitting], return_index=True)[1]]
    leaving = np.zeros(len(labels), dtype=bool)
    leaving[contested] = True
    leaving[contested[stays]] = False
    return to_singletons(labels, leaving)


def _dots_with_centres(feats: Tensor, labels: np.ndarray, contested: np.ndarray) -> np.ndarray:
    """Dot products (C,) of the normalised ``contested`` rows with the centres of their clusters."""
    contested_labels = np.unique(labels[contested])
    members = np.flatnonzero(np.isin(labels, contested_labels))
    clusters = np.searchsorted(contested_labels, labels[members])
    rows = unit_rows(feats[torch.from_numpy(members).to(feats.device)]).cpu().numpy()
    belongs = sparse.csr_matrix((np.ones(len(members)), clusters, np.arange(len(members) + 1)),
                                shape=(len(members), len(contested_labels)))
    centres = belongs.T @ rows / np.bincount(clusters)[:, None]  # (K, members) @ (members, D) -> (K, D)
    places = np.searchsorted(members, contested)
    return (rows[places] * centres[clusters[places]]).sum(axis=1)  # (C, D) * (C, D) -> (C,)


def _image_numbers(image_ids: Any, num: int) -> np.ndarray:
    """Numbers 0, 1, ... (N,) of the images, the same for equal ids."""
    if isinstance(image_ids, Tensor):
        image_ids = as_array(image_ids, 'image_ids')
    if not isinstance(image_ids, (Sequence, np.ndarray)):
        raise TypeError(f'image_ids must be a sequence of ints or strings, got {type(image_ids).__name__}')
    shape = image_ids.shape if isinstance(image_ids, np.ndarray) else (len(image_ids),)
    if shape != (num,):
        raise ValueError(f'image_ids must have shape ({num},), one id a label, got {shape}')
    if isinstance(image_ids, np.ndarray) and image_ids.dtype.kind in 'fc' and num:
        raise TypeError(f'image_ids must be ints or strings, got {image_ids.dtype}')
    if isinstance(image_ids, np.ndarray) and image_ids.dtype.kind != 'O':
        return np.unique(image_ids, return_inverse=True)[1]
    # An array of a list would make 1 and '1' equal.
    number_of: dict[Hashable, int] = {}
    numbers = [number_of.setdefault(as_img_id(image_id, 'an image id'), len(number_of)) for image_id in image_ids]
    return np.array(numbers, dtype=np.int64)
