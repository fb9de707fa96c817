"""Two-stage detector that also says who: proposals from mmdet, a person search RoI head on top."""

from mmdet.models.detectors import TwoStageDetector
from torch import Tensor

from pedsearch.registry import MODELS
from pedsearch.structures import SearchDataSample


@MODELS.register_module()
class PersonSearchDetector(TwoStageDetector):
    """Backbone, region proposals, and a RoI head that detects and embeds people.

    Gallery images and query boxes run through the network together: a test image yields its detections, and the
    embeddings of the query boxes that lie in it. See :class:`~pedsearch.structures.SearchDataSample` for the fields.

    Args:
        backbone, neck, rpn_head, roi_head, train_cfg, test_cfg, data_preprocessor, init_cfg: as in
            ``mmdet.TwoStageDetector``; ``roi_head`` is one of this package.
    """

    def loss(self, batch_inputs: Tensor, batch_data_samples: list[SearchDataSample]) -> dict[str, Tensor]:
        """Losses of proposals and RoI head; ``batch_inputs`` (B, 3, H, W)."""
        for sample in batch_data_samples:
            if 'pids' not in sample.gt_instances:
                raise KeyError(f'gt_instances of {sample.get("img_path")} has no `pids`; use LoadSearchAnnotations and '
                               'PackSearchInputs in the training pipeline')
        return super().loss(batch_inputs, batch_data_samples)
