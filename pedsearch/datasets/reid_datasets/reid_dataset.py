"""What all re-identification datasets share: crops of one person each, and labels that training may rewrite.

Shape legend: N images of the split.
"""

import os.path as osp
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import force_full_init
from torch import Tensor

from pedsearch.structures import UNLABELED

from ..split_dataset import SplitDataset


@dataclass
class Crop:
    """One image of one person: ``path`` below ``data_root``, identity, camera (-1: unknown)."""

    path: str
    pid: int = UNLABELED
    camid: int = -1
    is_query: bool = False


class ReIDDataset(SplitDataset):
    """Base of the re-identification datasets: one sample per crop.

    A subclass writes :meth:`load_crops`. Samples are ordered by path, in the test split queries first. They carry
    ``img_path``, ``name`` (the path below ``data_root``), ``pid, camid, sample_idx``, in the test split ``is_query``,
    in the train split ``label``, what is trained on at present. Training pids are mapped in rising order to
    0 ... ``num_ids - 1``; test pids stay as the subclass reads them. Training and test people are different people,
    whatever their numbers.

    Args:
        *args: See :class:`~pedsearch.datasets.split_dataset.SplitDataset`.
        max_ids (int | None): Keep only the first so many identities (in testing: of the queries) in rising order, with
            all their images and nothing else; for quick trials. Test figures on such a part are higher than on the
            whole. Default: None, everything.
        **kwargs: Likewise.

    Raises:
        ValueError: ``max_ids`` is below 1, an image is listed twice, a query has no identity, or a test split, also
            one cut down by ``indices``, lacks queries or gallery.
        FileNotFoundError: The folder or listed images are missing.

    **State:** the labels, an int64 tensor (N,) in shared memory that :meth:`set_pseudo_labels` overwrites in place:
    worker processes that live on see the new ones.
    """

    def __init__(self, *args, max_ids: int | None = None, **kwargs) -> None:
        if max_ids is not None and max_ids < 1:
            raise ValueError(f'max_ids must be at least 1, got {max_ids}; leave it out to keep all identities')
        self.max_ids = max_ids
        super().__init__(*args, **kwargs)

    def load_crops(self) -> list[Crop]:
        """Read the crops of the split in any order."""
        raise NotImplementedError(f'{type(self).__name__} must implement load_crops()')

    def load_data_list(self) -> list[dict]:
        """Build one sample per crop."""
        if not osp.isdir(self.data_root):
            raise FileNotFoundError(f'folder {self.data_root} does not exist; check data_root')
        crops = sorted(self.load_crops(), key=lambda crop: (not crop.is_query, crop.path))
        parts = {'train': False} if self.split == 'train' else {'query': True, 'gallery': False}
        for part, is_query in parts.items():
            self.check_images([crop.path for crop in crops if crop.is_query == is_query], self.data_root, part)
        nobody = [crop.path for crop in crops if crop.is_query and crop.pid == UNLABELED]
        if nobody:
            raise ValueError(f'every query must have an identity, got {len(nobody)} without, first: {nobody[0]}; label '
                             'them or move them to the gallery')
        ids = sorted({crop.pid for crop in crops if crop.is_query or self.split == 'train'} - {UNLABELED})
        if self.max_ids is not None:
            if not ids:
                raise ValueError(f'max_ids={self.max_ids} needs labelled images, got none in {self.data_root}; use '
                                 'indices for the first images')
            ids = ids[:self.max_ids]
            kept = set(ids)
            crops = [crop for crop in crops if crop.pid in kept]
        self._num_ids = len(ids)
        if self.split == 'train':
            labels = {pid: label for label, pid in enumerate(ids)}
            return [dict(self._sample(crop), pid=labels.get(crop.pid, UNLABELED)) for crop in crops]
        return [dict(self._sample(crop), is_query=crop.is_query) for crop in crops]

    def full_init(self) -> None:
        """Load everything, then the labels."""
        if not self._fully_initialized:
            super().full_init()
            self._read_columns()
            for step in self.pipeline.transforms:
                if hasattr(step, 'check_names'):
                    step.check_names([self.get_data_info(index)['name'] for index in range(len(self))])

    def get_data_info(self, idx: int) -> dict:
        """One sample; its ``label`` is the present one."""
        info = super().get_data_info(idx)
        if self.split == 'train':
            info['label'] = int(self._labels[idx])
        return info

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """As in mmengine; the labels start again as identities."""
        super().get_subset_(indices)
        self._read_columns()

    def get_subset(self, indices: Sequence[int] | int) -> 'ReIDDataset':
        """As in mmengine; the labels start again as identities."""
        subset = super().get_subset(indices)
        subset._read_columns()
        return subset

    @property
    @force_full_init
    def pids(self) -> np.ndarray:
        """(N,) int64 identities, -1 unknown; not changed by pseudo labels."""
        return self._pids

    @property
    @force_full_init
    def camids(self) -> np.ndarray:
        """(N,) int64 cameras, -1 unknown."""
        return self._camids

    @property
    @force_full_init
    def labels(self) -> np.ndarray:
        """(N,) int64, what the train split is trained on at present, -1 for images left out; a copy."""
        self._require_train('labels')
        return self._labels.numpy().copy()

    @property
    @force_full_init
    def num_ids(self) -> int:
        """Identities of the train split, pids 0 ... num_ids - 1; those searched for in the test split.

        Not changed by ``indices``.
        """
        return self._num_ids

    @property
    @force_full_init
    def num_cameras(self) -> int:
        """Cameras with an image in the split."""
        return len(np.unique(self._camids[self._camids >= 0]))

    @force_full_init
    def set_pseudo_labels(self, labels: np.ndarray | Tensor | Sequence[int]) -> None:
        """Train on other labels from the next sample on, in worker processes too.

        Args:
            labels (np.ndarray | Tensor | Sequence[int]): (N,) integers from 0, -1 for images to be left out.

        Raises:
            ValueError: Shape or range is wrong, or the split is no train split.
            TypeError: They are no integers.
        """
        self._require_train('set_pseudo_labels()')
        labels = torch.as_tensor(labels).cpu()
        if labels.shape != self._labels.shape:
            raise ValueError(f'labels must have shape ({len(self)},), one per training image, got '
                             f'{tuple(labels.shape)}; cluster the features of exactly this dataset')
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise TypeError(f'labels must be integers, got {labels.dtype}; convert them with .long()')
        if labels.min() < UNLABELED:
            raise ValueError(f'labels must be {UNLABELED} (left out) or from 0, got {int(labels.min())}')
        self._labels.copy_(labels)

    def _sample(self, crop: Crop) -> dict:
        return dict(
            name=crop.path, img_path=osp.join(self.data_root, crop.path), pid=crop.pid, camid=crop.camid)

    def _read_columns(self) -> None:
        """Read identities and cameras of the loaded samples and let the labels start as identities."""
        infos = [super(ReIDDataset, self).get_data_info(index) for index in range(len(self))]
        self._pids, self._camids = np.array([(info['pid'], info['camid']) for info in infos], dtype=np.int64).T
        if self.split == 'train':
            self._labels = torch.tensor(self._pids).share_memory_()
        else:
            self._check_protocol(infos)

    def _check_protocol(self, infos: Sequence[dict]) -> None:
        """Stop where nothing can be searched; warn of queries that cannot be found."""
        is_query = np.array([info['is_query'] for info in infos])
        if is_query.all() or not is_query.any():
            raise ValueError(f'a test split, also one cut down by indices, needs queries and gallery, got '
                             f'{is_query.sum()} and {(~is_query).sum()} images; use max_ids for a quick trial')
        absent = np.flatnonzero(is_query & ~np.isin(self._pids, self._pids[~is_query]))
        if len(absent):
            self.warn(f'{len(absent)} queries will be skipped, their identity is absent from the gallery (first: '
                      f'{infos[absent[0]]["img_path"]})')
        if (self._camids < 0).any():
            self.warn(f'{(self._camids < 0).sum()} images without camera; annotate it or set cross_camera=False in the '
                      'ReIDMetric')
        elif self.num_cameras == 1:
            self.warn('all images are from one camera, a search across cameras would find no match; set '
                      'cross_camera=False in the ReIDMetric')

    def _require_train(self, name: str) -> None:
        if self.split != 'train':
            raise ValueError(f"{name} belongs to the train split, got split={self.split!r}; pass split='train'")
