"""What flows between datasets, models and metrics.

Shape legend: n boxes of one image, q query boxes of one image, D embedding dimensions.
"""

from mmdet.structures import DetDataSample
from mmengine.structures import BaseDataElement, InstanceData
from torch import Tensor

UNLABELED = -1
"""``pid`` of a person without identity. Every dataset maps its private code to this one at load time."""

BACKGROUND = -2
"""``pid`` of a region that shows no person."""


class SearchDataSample(DetDataSample):
    """One scene image with its people and, at test time, the query boxes that lie in it.

    Fields (all boxes absolute pixels, xyxy):

    * ``gt_instances``: ``bboxes`` (n, 4), ``labels`` (n,), ``pids`` (n,) int64 with :data:`UNLABELED`. In training the
      boxes are in the network's input image, at test time in the original image. In the train split also ``slots``
      (n,) int64, the rows of the boxes in a memory of all boxes. In training its metainfo carries ``seed``, the number
      that everything random about this sample is drawn from.
    * ``query_instances`` (test only): ``bboxes`` (q, 4) in the original image, ``query_ids`` (q,) int64. After
      ``predict`` also ``embeds`` (q, D) and ``context_embeds``, a list of q tensors (k, D): the other people of the
      image in the order of detection confidence.
    * ``pred_instances`` (after ``predict``): ``bboxes`` (n, 4) in the original image, ``scores`` (n,), ``labels`` (n,),
      ``embeds`` (n, D), L2-normalised, rows sorted by falling score.

    Metainfo: ``img_id`` (int), ``img_path``, ``ori_shape``, ``img_shape``, ``scale_factor``, ``camid`` (int, -1 for
    unknown).
    """

    @property
    def query_instances(self) -> InstanceData:
        return self._query_instances

    @query_instances.setter
    def query_instances(self, value: InstanceData) -> None:
        self.set_field(value, '_query_instances', dtype=InstanceData)

    @query_instances.deleter
    def query_instances(self) -> None:
        del self._query_instances


class ReIDDataSample(BaseDataElement):
    """One image that shows one person, cropped.

    Fields:

    * ``feat`` (after ``predict``): (D,) floating point; need not be normalised.
    * ``mesh``, ``turned_mesh`` (with ``LoadMeshViews``): (1, H, W) uint8 pictures of the body, background 255, as
      photographed and turned by ``angle_deg`` (metainfo).

    Metainfo: ``sample_idx`` (int, place in the dataset, which tells repeated samples), ``img_path``, ``pid`` (int,
    :data:`UNLABELED` without identity), ``camid`` (int, -1 for unknown), ``is_query`` (bool, test only: searched for,
    or part of the gallery).
    """

    @property
    def feat(self) -> Tensor:
        return self._feat

    @feat.setter
    def feat(self, value: Tensor) -> None:
        self.set_field(value, '_feat', dtype=Tensor)

    @feat.deleter
    def feat(self) -> None:
        del self._feat
