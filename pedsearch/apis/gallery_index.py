"""All people of a set of scenes or crops, ready to be searched, in one file without pickles.

Shape legend: N detections of all images, D embedding dimensions.
"""

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pedsearch.functional import check_bboxes
from pedsearch.functional.arrays import as_array

_FORMAT = 'pedsearch-gallery-index 1'
_FIELDS = ('images', 'image_inds', 'bboxes', 'scores', 'embeds')


@dataclass(frozen=True)
class SearchHit:
    """One answer: the name of the image, the box (x1, y1, x2, y2) in it, the similarity that it was ranked by, and the
    detector's confidence.
    """

    image: str
    bbox: tuple[float, float, float, float]
    score: float
    det_score: float


@dataclass(frozen=True, eq=False)
class GalleryIndex:
    """Detections of a gallery; a crop counts as one detection that fills its image, with score 1.

    Attributes:
        images (list[str]): names of the images, also of those without people.
        image_inds (numpy.ndarray): (N,) int64, the image of each detection as a position in ``images``.
        bboxes (numpy.ndarray): (N, 4) float32 xyxy in pixels.
        scores (numpy.ndarray): (N,) float32, confidence in [0, 1].
        embeds (numpy.ndarray): (N, D) float32, L2-normalised.

    Raises:
        ValueError: the arrays do not fit each other.

    Example:
        >>> index = GalleryIndex(['a.jpg'], [0, 0], [[0, 0, 9, 9], [5, 0, 9, 9]], [.9, .8], [[1, 0], [.6, .8]])
        >>> [round(hit.score, 3) for hit in index.search([0, 1])]
        [0.8, 0.0]
    """

    images: list[str]
    image_inds: Any
    bboxes: Any
    scores: Any
    embeds: Any

    def __post_init__(self) -> None:
        arrays = dict(
            images=[str(image) for image in self.images],
            image_inds=as_array(self.image_inds, 'image_inds').astype(np.int64),
            bboxes=check_bboxes(self.bboxes).astype(np.float32),
            scores=as_array(self.scores, 'scores').astype(np.float32),
            embeds=as_array(self.embeds, 'embeds').astype(np.float32))
        for name, array in arrays.items():
            object.__setattr__(self, name, array)
        count = len(self.bboxes)
        if self.image_inds.shape != (count, ) or self.scores.shape != (count, ) or self.embeds.ndim != 2 or \
                len(self.embeds) != count:
            raise ValueError('image_inds (N,), bboxes (N, 4), scores (N,) and embeds (N, D) must have the same N, got '
                             f'{self.image_inds.shape}, {self.bboxes.shape}, {self.scores.shape}, {self.embeds.shape}')
        if count and not 0 <= self.image_inds.min() <= self.image_inds.max() < len(self.images):
            raise ValueError(f'image_inds must lie in 0...{len(self.images) - 1}, got {self.image_inds.min()}...'
                             f'{self.image_inds.max()}')

    def __len__(self) -> int:
        return len(self.bboxes)

    def search(self, embed: Any, topk: int = 10, score_weighted: bool = False,
               leave_out: Sequence[str] = ()) -> list[SearchHit]:
        """Rank all detections by their similarity to an embedding, as the test protocol does.

        Args:
            embed (array-like): (D,), L2-normalised.
            topk (int): how many answers to return; fewer where the gallery has fewer people.
            score_weighted (bool): rank by ``confidence * similarity``.
            leave_out (Sequence[str]): names of images not to search.

        Returns:
            list[SearchHit]: by falling score; equal ones in the order of the index.
        """
        embed = as_array(embed, 'embed').astype(np.float64)
        if topk < 1:
            raise ValueError(f'topk must be >= 1, got {topk}')
        if not len(self):
            return []
        if embed.shape != self.embeds.shape[1:]:
            raise ValueError(f'embed must have shape {self.embeds.shape[1:]} like the index, got {embed.shape}; make '
                             'both with the same model')
        sims = self.embeds.astype(np.float64) @ embed  # (N, D) @ (D,) -> (N,)
        if score_weighted:
            sims *= self.scores
        sims = sims.astype(np.float32)  # equal people tie whatever the order of summation
        omitted = np.isin(self.images, list(leave_out))[self.image_inds]  # (N,)
        order = np.argsort(-sims, kind='stable')
        order = order[~omitted[order]][:topk]
        return [SearchHit(self.images[self.image_inds[det]], tuple(self.bboxes[det].tolist()), float(sims[det]),
                          float(self.scores[det])) for det in order]

    def save(self, path: str | os.PathLike) -> None:
        """Write a ``.npz`` file under exactly this name; it appears complete or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f'{path.name}.{os.getpid()}.partial')
        arrays = {name: getattr(self, name) for name in _FIELDS}
        with open(partial, 'wb') as file:
            np.savez(file, format=np.array(_FORMAT), **{**arrays, 'images': np.array(self.images, dtype=np.str_)})
        os.replace(partial, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> 'GalleryIndex':
        """Read what :meth:`save` wrote; nothing in the file is executed.

        Raises:
            FileNotFoundError, ValueError: naming the file.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f'gallery index {path} does not exist; write it with GalleryIndex.save')
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in ('format', *_FIELDS)}
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f'{path} is no gallery index ({error}); write it again with GalleryIndex.save') from None
        found = str(content.pop('format'))
        if found != _FORMAT:
            raise ValueError(f'{path} must have the format {_FORMAT!r}, got {found!r}; index the gallery again')
        return cls(**{**content, 'images': content['images'].tolist()})
