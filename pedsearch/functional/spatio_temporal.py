"""When and where people are seen again: time gaps between cameras, joined with visual similarity.

Shape legend: N images, C cameras, T bins of time gaps, Q queries, G gallery images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter1d


@dataclass(frozen=True)
class GapDistribution:
    """How probable it is that a person seen by one camera is seen by another after some time.

    Attributes:
        probabilities (np.ndarray): (C, C, T) float64; ``[later, earlier]`` sums to 1 over T, or is 0 throughout where
            nobody was seen by both.
        frames_per_bin (int): width of a bin.

    Source: Wang et al., "Spatial-Temporal Person Re-identification", AAAI 2019, with the widths that Li and Zhang,
    "Joint Visual and Temporal Consistency for Unsupervised Domain Adaptive Person Re-identification", ECCV 2020 (JVTC),
    give.

    Example:
        >>> seen = GapDistribution.fit(labels=[7, 7, 7], cameras=[0, 1, 1], frames=[0, 250, 260], sigma=0)
        >>> seen.probabilities[1, 0, :4]
        array([0., 0., 1., 0.])
        >>> seen.lookup([1, 0], [900, 0], [0], [650])
        array([[1.],
               [0.]])
    """

    probabilities: np.ndarray
    frames_per_bin: int

    @classmethod
    def fit(cls, labels: ArrayLike, cameras: ArrayLike, frames: ArrayLike, *, frames_per_bin: int = 100,
            num_bins: int = 3000, sigma: float = 50) -> 'GapDistribution':
        """Count the gaps of all pairs of images with one label, and smooth them.

        Args:
            labels (ArrayLike): (N,) identities or pseudo labels; a negative one takes no part.
            cameras (ArrayLike): (N,) integers >= 0.
            frames (ArrayLike): (N,) integers, numbers of frames on one clock.
            frames_per_bin (int): frames that share a bin.
            num_bins (int): T; longer gaps take no part.
            sigma (float): standard deviation of the Gaussian, in bins; 0: not smoothed.

        Raises:
            ValueError: shapes, cameras or widths do not fit.
        """
        labels, cameras, frames = (np.asarray(column) for column in (labels, cameras, frames))
        if not labels.shape == cameras.shape == frames.shape or labels.ndim != 1 or not len(labels):
            raise ValueError('labels, cameras and frames must have one shape (N,) with N >= 1, got '
                             f'{labels.shape}, {cameras.shape} and {frames.shape}')
        if cameras.min() < 0:
            raise ValueError(f'cameras must be >= 0, got {cameras.min()}')
        if frames_per_bin < 1 or num_bins < 1 or sigma < 0:
            raise ValueError('frames_per_bin and num_bins must be >= 1 and sigma >= 0, got '
                             f'{frames_per_bin}, {num_bins} and {sigma}')
        num_cameras = int(cameras.max()) + 1
        counts = np.zeros((num_cameras, num_cameras, num_bins))
        order = np.argsort(labels, kind='stable')
        for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
            if labels[members[0]] < 0:
                continue
            gaps = frames[members][:, None] - frames[members]
            later, earlier = np.nonzero((gaps > 0) & (gaps < frames_per_bin * num_bins))
            bins = gaps[later, earlier] // frames_per_bin
            np.add.at(counts, (cameras[members[later]], cameras[members[earlier]], bins), 1)
        smooth = gaussian_filter1d(counts, sigma, mode='constant') if sigma else counts
        total = smooth.sum(axis=2, keepdims=True)
        return cls(np.divide(smooth, total, out=np.zeros_like(smooth), where=total > 0), frames_per_bin)

    def lookup(self, query_cameras: ArrayLike, query_frames: ArrayLike, gallery_cameras: ArrayLike,
               gallery_frames: ArrayLike) -> np.ndarray:
        """Probability (Q, G) float64 of every pair's gap; 0 for a gap beyond the last bin.

        Raises:
            ValueError: a camera was not there when the distribution was fitted.
        """
        of_query, of_gallery = np.asarray(query_cameras), np.asarray(gallery_cameras)
        for cameras in (of_query, of_gallery):
            if len(cameras) and not 0 <= cameras.min() <= cameras.max() < len(self.probabilities):
                raise ValueError(f'cameras must be in [0, {len(self.probabilities) - 1}], those of the fit, got '
                                 f'{cameras.min()} to {cameras.max()}')
        gaps = np.asarray(query_frames)[:, None] - np.asarray(gallery_frames)
        bins = abs(gaps) // self.frames_per_bin
        of_query, of_gallery = np.broadcast_arrays(of_query[:, None], of_gallery)
        later, earlier = np.where(gaps >= 0, (of_query, of_gallery), (of_gallery, of_query))
        num_bins = self.probabilities.shape[2]
        return np.where(bins < num_bins, self.probabilities[later, earlier, np.minimum(bins, num_bins - 1)], 0)


def joint_distance(similarity: ArrayLike, probability: ArrayLike, gain: float = 5) -> np.ndarray:
    """Distance of what pairs look like and when they were seen: ``1 - a(s, 1) a(p, 2)``, ``a(x, k) = 1 / (1 + k
    exp(-gain x))``.

    Args:
        similarity (ArrayLike): any shape, cosine.
        probability (ArrayLike): the same shape, of :meth:`GapDistribution.lookup`.
        gain (float): of both.

    Returns:
        np.ndarray: the same shape, in (0, 1).

    Source: JVTC, see :class:`GapDistribution`. Deviation: none.

    Example:
        >>> joint_distance([1, 0, 0.5], [0, 0, 0.01]).round(6)
        array([0.668898, 0.833333, 0.6816  ])
    """
    similarity, probability = np.asarray(similarity, dtype=float), np.asarray(probability, dtype=float)
    return 1 - 1 / ((1 + np.exp(-gain * similarity)) * (1 + 2 * np.exp(-gain * probability)))
