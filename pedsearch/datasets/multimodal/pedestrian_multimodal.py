"""Crops of people with captions and attributes.

Shape legend: N images of the split, A attributes.
"""

import os.path as osp
from collections.abc import Callable, Sequence

import numpy as np
from mmengine.dataset import force_full_init

from pedsearch.registry import DATASETS
from pedsearch.structures import UNLABELED

from ..split_dataset import SplitDataset
from .annotations import UNKNOWN, AnnotationFile, AttributeSchema, DescribedImage


@DATASETS.register_module()
class PedestrianMultiModalDataset(SplitDataset):
    """One sample an image, with all its captions and its attributes.

    Samples carry ``img_path``, ``name`` (the path below the folder of the images), ``sample_idx``, ``image_id``,
    ``pid``, ``camid``, ``captions`` (a list of :class:`~pedsearch.datasets.multimodal.Caption`) and, with a schema,
    ``attributes``, (A,) int64 of 1, 0 and -1, unknown; an image without attributes has all unknown.

    Args:
        data_root (str): folder of the annotation files.
        name (str): how the files begin, see :class:`~pedsearch.datasets.multimodal.AnnotationFile`.
        split (str): ``'train'``, ``'val'`` or ``'test'``.
        schema (str | None): which attributes; None: no ``attributes``.
        needs_captions (bool): leave images without caption out. Default: False.
        max_ids (int | None): keep the images of the first so many identities, in rising order. Default: None, all.
        unknown_as_negative (bool): give unknown attributes of images that have some as 0, with which RAP's published
            figures were trained. Default: False.
        img_root (str | None): folder of the images; None: ``data_root``.
        pipeline (Sequence): transforms.
        **kwargs: of :class:`~pedsearch.datasets.split_dataset.SplitDataset`.

    Raises:
        FileNotFoundError: a file, the folder or listed images are missing.
        ValueError: annotations are malformed, the schema is unknown, or no image is left.
    """

    SPLITS = 'train', 'val', 'test'

    def __init__(self, data_root: str, name: str, split: str = 'train', schema: str | None = None,
                 needs_captions: bool = False, max_ids: int | None = None, unknown_as_negative: bool = False,
                 img_root: str | None = None, pipeline: Sequence[dict | Callable] = (), **kwargs) -> None:
        if max_ids is not None and max_ids < 1:
            raise ValueError(f'max_ids must be >= 1, got {max_ids}; leave it out to keep all images')
        self.name = name
        self.schema_name = schema
        self.needs_captions = needs_captions
        self.max_ids = max_ids
        self.unknown_as_negative = unknown_as_negative
        self.img_root = data_root if img_root is None else img_root
        super().__init__(data_root, split, pipeline=pipeline, **kwargs)

    def load_data_list(self) -> list[dict]:
        """Build one sample per image."""
        source = AnnotationFile(self.data_root, self.name)
        self._schema = None if self.schema_name is None else source.schema(self.schema_name)
        if self._schema is not None and self._schema.eval_index is not None:
            self._metainfo['eval_index'] = list(self._schema.eval_index)  # for the metric
        images = source.read(self.split)
        for text in source.warnings(images):
            self.warn(text)
        if self.needs_captions:
            described = [image for image in images if image.captions]
            if not described:
                raise ValueError(f'images of {self.name}.{self.split} must have captions, got none in {len(images)}; '
                                 'write some with tools/dataset_converters/write_captions.py')
            images = described
        if self.max_ids is not None:
            known = sorted({image.pid for image in images} - {UNLABELED})
            if not known:
                raise ValueError(f'max_ids={self.max_ids} needs images with identity, got none in {len(images)} of '
                                 f'{self.name}.{self.split}; leave it out')
            kept = set(known[:self.max_ids])
            images = [image for image in images if image.pid in kept]
        self.check_images([image.img_path for image in images], self.img_root)
        return [self._sample(image) for image in images]

    def _sample(self, image: DescribedImage) -> dict:
        sample = dict(
            name=image.img_path, img_path=osp.join(self.img_root, image.img_path), image_id=image.image_id,
            pid=image.pid, camid=image.camid, captions=list(image.captions))
        if self._schema is not None:
            values = np.full(len(self._schema.names), UNKNOWN)
            if self.schema_name in image.attrs:
                values = np.array(image.attrs[self.schema_name]).clip(min=0 if self.unknown_as_negative else UNKNOWN)
            sample['attributes'] = values.astype(np.int64)
        return sample

    @property
    @force_full_init
    def schema(self) -> AttributeSchema | None:
        """What ``attributes`` are called."""
        return self._schema

    @property
    @force_full_init
    def pids(self) -> np.ndarray:
        """(N,) int64 identities, -1 unknown."""
        return np.array([self.get_data_info(index)['pid'] for index in range(len(self))], dtype=np.int64)

    @property
    def num_ids(self) -> int:
        """Different identities."""
        return len(np.unique(self.pids[self.pids != UNLABELED]))

    @property
    def positive_rates(self) -> np.ndarray:
        """(A,) float64 share of positives among the known labels of each attribute, 0 where none is known."""
        table = np.stack([self.get_data_info(index)['attributes'] for index in range(len(self))])
        known = (table != UNKNOWN).sum(axis=0)
        return np.divide((table == 1).sum(axis=0), known, out=np.zeros(table.shape[1]), where=known > 0)

    @property
    def all_captions(self) -> list[str]:
        """Texts of all images, in order."""
        return [caption.text for index in range(len(self)) for caption in self.get_data_info(index)['captions']]
