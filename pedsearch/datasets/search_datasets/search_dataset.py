"""What all person search datasets share: scenes in, samples and search protocols out.

Shape legend: n boxes of one image, m boxes of one person in one image, M images, N slots of the split.
"""

import os.path as osp
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from mmengine.dataset import force_full_init

from pedsearch.structures import UNLABELED

from ..split_dataset import SplitDataset


@dataclass
class Scene:
    """One annotated image.

    ``bboxes`` (n, 4) float32 xyxy in pixels, ``pids`` (n,) int64, ``size`` (height, width) or None where the
    annotation does not tell, ``ignore_flags`` (n,) bool or None for none, ``extras`` one dict per box with whatever
    else is known about the person.
    """

    file_name: str
    bboxes: np.ndarray
    pids: np.ndarray
    camid: int = -1
    size: tuple[int, int] | None = None
    ignore_flags: np.ndarray | None = None
    extras: list[dict] = field(default_factory=list)

    def instances(self) -> list[dict]:
        """One dict per box, as samples carry them."""
        extras = self.extras or [{}] * len(self.pids)
        return [
            dict(extra, bbox=bbox, bbox_label=0, ignore_flag=int(flag), pid=pid)
            for bbox, pid, flag, extra in zip(self.bboxes.tolist(), self.pids.tolist(), self._flags(), extras)
        ]

    def known_people(self) -> Iterator[tuple[np.ndarray, int]]:
        """Box (4,) and pid of everyone who can be searched for: with an identity and not ignored."""
        for bbox, pid, ignored in zip(self.bboxes, self.pids.tolist(), self._flags()):
            if pid != UNLABELED and not ignored:
                yield bbox, pid

    def _flags(self) -> np.ndarray:
        return np.zeros(len(self.pids), dtype=bool) if self.ignore_flags is None else self.ignore_flags


def make_contiguous(scenes: Sequence[Scene]) -> dict[int, int]:
    """Replace the labelled pids of the scenes in place by 0, 1, 2, ... in rising order; return the map."""
    labelled = sorted({pid for scene in scenes for pid in scene.pids.tolist()} - {UNLABELED})
    mapping = {pid: label for label, pid in enumerate(labelled)} | {UNLABELED: UNLABELED}
    for scene in scenes:
        scene.pids = np.array([mapping[pid] for pid in scene.pids.tolist()], dtype=np.int64)
    return mapping


def locate_people(scenes: Sequence[Scene]) -> dict[int, dict[int, np.ndarray]]:
    """Index where each labelled person is: pid -> img_id -> (m, 4) boxes, in the order of the annotation.

    Boxes to be ignored are left out.
    """
    places: dict[int, dict[int, list]] = defaultdict(lambda: defaultdict(list))
    for img_id, scene in enumerate(scenes):
        for bbox, pid in scene.known_people():
            places[pid][img_id].append(bbox)
    return {pid: {img_id: np.stack(boxes) for img_id, boxes in images.items()} for pid, images in places.items()}


def find_targets(places: Mapping[int, np.ndarray], img_id: int, gallery: np.ndarray | None) -> dict[int, np.ndarray]:
    """Restrict the places of a query's person to its gallery (None: all images but the query's own, ``img_id``)."""
    if gallery is None:
        return {place: boxes for place, boxes in places.items() if place != img_id}
    ids = np.fromiter(places, dtype=np.int64, count=len(places))
    return {place: places[place] for place in ids[np.isin(ids, gallery)].tolist()}


def restrict_protocol(protocol: Sequence[dict], img_ids: set[int]) -> list[dict]:
    """Cut a protocol down to some images; queries that lose their image or all their targets are left out."""
    kept = []
    for query in protocol:
        targets = {img_id: boxes for img_id, boxes in query['targets'].items() if img_id in img_ids}
        if query['img_id'] in img_ids and targets:
            gallery = query['gallery']
            if gallery is not None:
                gallery = gallery[np.isin(gallery, list(img_ids))]
            kept.append(dict(query, targets=targets, gallery=gallery))
    return kept


class SearchDataset(SplitDataset):
    """Base of the person search datasets: one sample per image, test queries ride on the sample of their image.

    A subclass writes :meth:`load_scenes` and :meth:`load_protocols`. The test split publishes its protocols in
    ``metainfo['protocols']``: name -> list of ``dict(query_id, img_id, bbox (4,), pid, targets {img_id: (m, 4)},
    gallery (g,) int32 or None = all images but the query's own)``; the first is the primary one. ``img_id`` counts
    the images of the split from 0. ``query_id`` names a query box: the same box has the same id in every protocol.

    In the train split every box that is not ignored has a slot 0 ... ``num_slots - 1``, its row in a memory of boxes:
    image after image, box after box of the samples as they are, so after ``filter_cfg`` and ``indices``. Samples carry
    ``first_slot``, the slot of their first such box.

    Args:
        *args: See :class:`~pedsearch.datasets.split_dataset.SplitDataset`.
        data_prefix (dict | None): ``img_path``: folder of the images below ``data_root``; None: as released.
        **kwargs: Likewise; also those of :class:`mmengine.dataset.BaseDataset`, for example ``indices`` (a subset, to
            which the protocols are cut down) or ``filter_cfg=dict(filter_empty_gt=True)`` (train split only).

    Raises:
        TypeError: ``data_root`` is no path.
        ValueError: ``split`` is unknown, there is no image, a file name occurs twice, or no query of the primary
            protocol has a target.
        FileNotFoundError: Annotated images are missing.
    """

    IMAGE_DIR = ''
    """Folder of the images below ``data_root`` in the public release."""

    def __init__(self, *args, data_prefix: dict | None = None, **kwargs) -> None:
        self._num_ids = self._num_boxes = 0
        super().__init__(
            *args, data_prefix=dict(img_path=self.IMAGE_DIR) if data_prefix is None else data_prefix, **kwargs)

    def load_scenes(self) -> list[Scene]:
        """Read the images of the split; the position in the list becomes the ``img_id``."""
        raise NotImplementedError(f'{type(self).__name__} must implement load_scenes()')

    def load_protocols(self, scenes: Sequence[Scene]) -> dict[str, list[dict]]:
        """Read the search protocols of the test split, without ``query_id``, primary first."""
        raise NotImplementedError(f'{type(self).__name__} must implement load_protocols()')

    def load_data_list(self) -> list[dict]:
        """Build one sample per scene."""
        scenes = self.load_scenes()
        self.check_images([scene.file_name for scene in scenes], self.data_prefix['img_path'])
        labelled = {pid for scene in scenes for pid in scene.pids.tolist()} - {UNLABELED}
        self._num_ids, self._num_boxes = len(labelled), sum(len(scene.pids) for scene in scenes)
        data_list = [self._sample(img_id, scene) for img_id, scene in enumerate(scenes)]
        if self.split == 'test':
            self._set_protocols(self.load_protocols(scenes), data_list)
        return data_list

    def full_init(self) -> None:
        """Load everything, then number the boxes."""
        if not self._fully_initialized:
            super().full_init()
            self._number_boxes()

    def get_data_info(self, idx: int) -> dict:
        """One sample; in training with its ``first_slot``."""
        info = super().get_data_info(idx)
        if self.split == 'train':
            info['first_slot'] = int(self._first_slots[idx])
        return info

    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """As in mmengine; the boxes are numbered anew."""
        super().get_subset_(indices)
        self._number_boxes()

    def get_subset(self, indices: Sequence[int] | int) -> 'SearchDataset':
        """As in mmengine; the boxes are numbered anew."""
        subset = super().get_subset(indices)
        subset._number_boxes()
        return subset

    def filter_data(self) -> list[dict]:
        """Drop images without people where asked to, and cut test protocols down to ``indices``."""
        if self.split == 'train':
            if (self.filter_cfg or {}).get('filter_empty_gt', False):
                return [sample for sample in self.data_list if sample['instances']]
        elif self._indices is not None:
            samples = self._get_unserialized_subset(self._indices)
            img_ids = {sample['img_id'] for sample in samples}
            protocols = {name: restrict_protocol(queries, img_ids)
                         for name, queries in self._metainfo['protocols'].items()}
            self._set_protocols(protocols, self.data_list)
        return self.data_list

    @property
    @force_full_init
    def protocols(self) -> dict[str, list[dict]]:
        """Search protocols of the test split."""
        return self._metainfo['protocols']

    @property
    @force_full_init
    def num_ids(self) -> int:
        """Identities of the split; in training the pids are 0 ... num_ids - 1. Not changed by ``indices``."""
        return self._num_ids

    @property
    @force_full_init
    def num_boxes(self) -> int:
        """Boxes of the split, labelled or not. Not changed by ``indices``."""
        return self._num_boxes

    @property
    def num_slots(self) -> int:
        """N, boxes of the train split that are not ignored; those of the present samples."""
        return len(self.pids)

    @property
    @force_full_init
    def pids(self) -> np.ndarray:
        """(N,) int64 identity of each slot of the train split, -1 unknown."""
        self._require_train('pids')
        return self._pids

    @property
    @force_full_init
    def scene_ids(self) -> np.ndarray:
        """(N,) int64 image of each slot of the train split, as the index of its sample."""
        self._require_train('scene_ids')
        return self._scene_ids

    def warn_dropped(self, num: int) -> None:
        """Say once how many annotated boxes could not be used."""
        if num:
            self.warn(f'{num} boxes dropped, they are not finite, have no positive width and height, or lie outside '
                      'their image')

    def warn_without_target(self, queries: Sequence[str]) -> None:
        """Say once how many queries cannot be evaluated because their person is nowhere in the gallery."""
        if queries:
            self.warn(f'{len(queries)} queries left out, their person is in no image of their gallery (first: '
                      f'{queries[0]})')

    def _sample(self, img_id: int, scene: Scene) -> dict:
        sample = dict(
            img_path=osp.join(self.data_prefix['img_path'], scene.file_name),
            img_id=img_id,
            camid=scene.camid,
            instances=scene.instances())
        if scene.size is not None:
            sample['height'], sample['width'] = scene.size
        if self.split == 'test':
            sample['queries'] = []
        return sample

    def _number_boxes(self) -> None:
        """Give slots to the boxes of the present samples."""
        if self.split != 'train':
            return
        people = [[instance['pid'] for instance in super(SearchDataset, self).get_data_info(index)['instances']
                   if not instance['ignore_flag']] for index in range(len(self))]
        counts = np.array([len(pids) for pids in people], dtype=np.int64)  # (M,)
        self._first_slots = counts.cumsum() - counts
        self._scene_ids = np.repeat(np.arange(len(counts)), counts)
        self._pids = np.array(list(chain.from_iterable(people)), dtype=np.int64)

    def _require_train(self, name: str) -> None:
        if self.split != 'train':
            raise ValueError(f"{name} belongs to the train split, got split={self.split!r}; pass split='train'")

    def _set_protocols(self, protocols: Mapping[str, list[dict]], data_list: Sequence[dict]) -> None:
        """Publish the protocols, number their query boxes and hang each on the sample of its image."""
        empty = [name for name, queries in protocols.items() if not queries]
        if next(iter(protocols)) in empty:
            raise ValueError(f'{type(self).__name__} found no query with a target in {self.data_root} for protocol '
                             f'{empty[0]!r}; a test split, also one cut down by indices, needs at least one query '
                             'whose person is in another image of its gallery')
        if empty:
            self.warn(f'protocols without any query left out: {", ".join(empty)}')
        protocols = {name: queries for name, queries in protocols.items() if queries}
        self._metainfo['protocols'] = protocols
        query_ids: dict[tuple, int] = {}
        for sample in data_list:
            sample['queries'] = []
        for queries in protocols.values():
            for query in queries:
                key = (query['img_id'], *query['bbox'].tolist())
                if key not in query_ids:
                    query_ids[key] = len(query_ids)
                    data_list[query['img_id']]['queries'].append(
                        dict(query_id=query_ids[key], bbox=query['bbox'].tolist(), pid=query['pid']))
                query['query_id'] = query_ids[key]
