"""Pack a loaded scene or crop into what models take.

Shape legend: n boxes of one image, q query boxes of one image, H × W network input.
"""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from pedsearch.registry import TRANSFORMS
from pedsearch.structures import ReIDDataSample, SearchDataSample

_FIELDS = {'gt_bboxes': 'bboxes', 'gt_bboxes_labels': 'labels', 'gt_pids': 'pids', 'gt_slots': 'slots'}


@TRANSFORMS.register_module()
class PackSearchInputs(BaseTransform):
    """Return ``dict(inputs=(3, H, W) uint8 tensor, data_samples=SearchDataSample)``.

    As mmdet's ``PackDetInputs``, and besides: ``gt_instances.pids`` and, in the train split, ``slots``;
    ``query_instances`` (test split), and the sample's ``seed`` in the metainfo of ``gt_instances``. Boxes are plain
    (n, 4) tensors. Boxes with a raised ignore flag go to ``ignored_instances``.

    Args:
        meta_keys (Sequence[str]): Entries of the sample that become metainfo, those it lacks are skipped.

    Raises:
        ValueError: The per-box arrays differ in length because a transform removed boxes without their identities.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip',
                                    'flip_direction', 'camid')
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        sample = SearchDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_bboxes' in results:
            sample.gt_instances, sample.ignored_instances = self._pack_instances(results)
        if 'query_bboxes' in results:
            sample.query_instances = InstanceData(
                bboxes=torch.from_numpy(results['query_bboxes']), query_ids=torch.from_numpy(results['query_ids']))
        img = np.ascontiguousarray(results['img'].transpose(2, 0, 1))  # (H, W, 3) -> (3, H, W)
        return dict(inputs=torch.from_numpy(img), data_samples=sample)

    @staticmethod
    def _pack_instances(results: dict) -> tuple[InstanceData, InstanceData]:
        ignored = torch.from_numpy(np.asarray(results['gt_ignore_flags'], dtype=bool))
        fields = {key: name for key, name in _FIELDS.items() if key != 'gt_slots' or key in results}
        lengths = {key: len(results[key]) for key in (*fields, 'gt_ignore_flags')}
        if len(set(lengths.values())) > 1:
            raise ValueError(f'every box needs its label and pid, got lengths {lengths}; a transform removed boxes '
                             'without their gt_pids, use Resize and RandomFlip only')
        tensors = {
            name: torch.as_tensor(getattr(results[key], 'tensor', results[key]))  # mmdet boxes hold a tensor
            for key, name in fields.items()
        }
        kept = InstanceData(**{name: tensor[~ignored] for name, tensor in tensors.items()})
        if 'seed' in results:
            kept.set_metainfo(dict(seed=results['seed']))
        return kept, InstanceData(**{name: tensor[ignored] for name, tensor in tensors.items()})

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'


@TRANSFORMS.register_module()
class PackReIDInputs(BaseTransform):
    """Return ``dict(inputs=(3, H, W) tensor of the image's type, data_samples=ReIDDataSample)``.

    Where there are pictures of the person's body, ``mesh`` and ``turned_mesh``, the sample holds them as (1, H, W).

    Args:
        meta_keys (Sequence[str]): Entries of the sample that become metainfo, those it lacks are skipped.

    Raises:
        ValueError: The image has not three channels.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = ('sample_idx', 'img_path', 'name', 'pid', 'camid', 'is_query', 'label', 'domain',
                                    'seed', 'angle_deg')
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        img = results['img']
        if img.ndim != 3 or img.shape[2] != 3:
            raise ValueError(f'img must have shape (H, W, 3), got {img.shape}; read it in colour (LoadImage)')
        sample = ReIDDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        for key in ('mesh', 'turned_mesh'):
            if key in results:
                sample.set_data({key: torch.from_numpy(np.ascontiguousarray(results[key]))[None]})
        img = np.ascontiguousarray(img.transpose(2, 0, 1))  # (H, W, 3) -> (3, H, W)
        return dict(inputs=torch.from_numpy(img), data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'


@TRANSFORMS.register_module()
class PackMultiModalInputs(BaseTransform):
    """Return ``dict(inputs=..., data_samples=ReIDDataSample)`` of a photo with captions and attributes.

    ``inputs`` is the photo (3, H, W), or a list of such views where ``PhotoViews`` made them. The sample holds
    ``attributes`` (A,) int64 where there are any; texts are metainfo.

    Args:
        meta_keys (Sequence[str]): entries of the sample that become metainfo, those it lacks are skipped.
    """

    def __init__(
        self,
        meta_keys: Sequence[str] = ('sample_idx', 'img_path', 'name', 'image_id', 'pid', 'camid', 'captions', 'caption',
                                    'text_group', 'seed', 'flip')
    ) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        sample = ReIDDataSample(metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'attributes' in results:
            sample.set_data(dict(attributes=torch.from_numpy(results['attributes'])))
        images = [torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1)))  # (H, W, 3) -> (3, H, W)
                  for img in results.get('views', [results['img']])]
        return dict(inputs=images if 'views' in results else images[0], data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(meta_keys={self.meta_keys})'
