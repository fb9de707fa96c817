"""Load scene images and the boxes, identities and queries in them.

Shape legend: n boxes of one image, q query boxes of one image, H × W image.
"""

import mmcv
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.fileio import get

from pedsearch.registry import TRANSFORMS

NO_SLOT = -1
_JPEG, _PNG, _PNG_END = b'\xff\xd8', b'\x89PNG\r\n\x1a\n', b'IEND\xaeB`\x82'


def is_truncated(data: bytes) -> bool:
    """Tell whether the bytes of a JPEG or PNG file stop before the picture ends.

    Many decoders, older OpenCV among them, take a cut file without complaint and fill the rest with grey. A complete
    JPEG has its end marker behind its last scan (that of an embedded thumbnail comes before it); a complete PNG has an
    ``IEND`` chunk. Other formats answer False.

    Args:
        data (bytes): The whole file.
    """
    if data.startswith(_JPEG):
        return data.rfind(b'\xff\xd9') <= data.rfind(b'\xff\xda')
    if data.startswith(_PNG):
        return _PNG_END not in data
    return False


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Read one scene image; a file that is missing, broken or of another size than annotated is an error.

    Reads ``img_path`` (and ``height``, ``width`` where the annotation has them); sets ``img`` (H, W, 3) BGR,
    ``img_shape``, ``ori_shape``, ``height``, ``width``.

    Args:
        to_float32 (bool): Return float32 instead of uint8. Default: False.
        color_type (str): Flag of :func:`mmcv.imfrombytes`. Default: ``'color'``.
        imdecode_backend (str): Backend of :func:`mmcv.imfrombytes`. Default: ``'cv2'``.
        backend_args (dict | None): Arguments of mmengine's file backend.

    Raises:
        FileNotFoundError: No such file.
        ValueError: The file is truncated, cannot be decoded, or has another size than its annotation says.
    """

    def __init__(self,
                 to_float32: bool = False,
                 color_type: str = 'color',
                 imdecode_backend: str = 'cv2',
                 backend_args: dict | None = None) -> None:
        self.to_float32 = to_float32
        self.color_type = color_type
        self.imdecode_backend = imdecode_backend
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        img_path = results['img_path']
        try:
            data = get(img_path, backend_args=self.backend_args)
        except FileNotFoundError:
            raise FileNotFoundError(f'image {img_path} does not exist; check data_root and data_prefix') from None
        if is_truncated(data):
            raise ValueError(f'image {img_path} is truncated after {len(data)} bytes; copy or download it again')
        img = mmcv.imfrombytes(data, flag=self.color_type, backend=self.imdecode_backend) if data else None
        if img is None:
            raise ValueError(f'image {img_path} ({len(data)} bytes) cannot be decoded; expected a JPEG or PNG picture')
        height, width = img.shape[:2]
        annotated = results.get('height') or height, results.get('width') or width
        if annotated != (height, width):
            raise ValueError(f'image {img_path} must be {annotated[1]}x{annotated[0]} pixels as annotated, got '
                             f'{width}x{height}; correct the annotation or restore the original picture')
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = height, width
        results['height'], results['width'] = height, width
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(to_float32={self.to_float32}, color_type={self.color_type!r}, '
                f'imdecode_backend={self.imdecode_backend!r}, backend_args={self.backend_args})')


@TRANSFORMS.register_module()
class LoadSearchAnnotations(BaseTransform):
    """Turn ``instances`` and ``queries`` of a sample into arrays.

    Sets ``gt_bboxes`` (mmdet ``HorizontalBoxes``, n × 4), ``gt_bboxes_labels`` (n,) int64, ``gt_ignore_flags`` (n,)
    bool, ``gt_pids`` (n,) int64; where the sample has ``first_slot`` (train split): ``gt_slots`` (n,) int64, -1 for
    ignored boxes; where it has ``queries`` (test split): ``query_bboxes`` (q, 4) float32, ``query_ids`` (q,) int64. In
    training it stands before the geometric transforms, which move the boxes; in testing and in extraction behind them,
    so that all boxes stay in the pixels of the original image.
    """

    def transform(self, results: dict) -> dict:
        instances = results['instances']
        bboxes = np.array([instance['bbox'] for instance in instances], dtype=np.float32).reshape(-1, 4)
        results['gt_bboxes'] = HorizontalBoxes(torch.from_numpy(bboxes))
        results['gt_bboxes_labels'] = np.array([instance['bbox_label'] for instance in instances], dtype=np.int64)
        results['gt_ignore_flags'] = np.array([instance['ignore_flag'] for instance in instances], dtype=bool)
        results['gt_pids'] = np.array([instance['pid'] for instance in instances], dtype=np.int64)
        if 'first_slot' in results:
            kept = ~results['gt_ignore_flags']
            results['gt_slots'] = np.where(kept, results['first_slot'] + kept.cumsum() - 1, NO_SLOT)
        if 'queries' in results:
            queries = results['queries']
            results['query_bboxes'] = np.array([q['bbox'] for q in queries], dtype=np.float32).reshape(-1, 4)
            results['query_ids'] = np.array([q['query_id'] for q in queries], dtype=np.int64)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
