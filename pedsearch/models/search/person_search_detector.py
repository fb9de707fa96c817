"""Two-stage detector that also says who: proposals from mmdet, a person search RoI head on top."""

import torch.nn.functional as F
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
        x = self.training_feat(batch_inputs, batch_data_samples)
        losses, proposals = self.rpn_head.loss_and_predict(
            x, batch_data_samples, proposal_cfg=self.train_cfg.get('rpn_proposal', self.test_cfg.rpn))
        return losses | self.roi_head.loss(x, proposals, batch_data_samples)

    def training_feat(self, batch_inputs: Tensor, batch_data_samples: list[SearchDataSample]) -> tuple[Tensor, ...]:
        """Feature maps (B, C, H, W) that the losses are computed on."""
        return self.extract_feat(batch_inputs)

    def extract_box_feats(self, batch_inputs: Tensor, batch_data_samples: list[SearchDataSample]) -> Tensor:
        """Unit embeddings (n, D) of all annotated boxes, given in the original images, image after image."""
        return F.normalize(self.roi_head.annotated_embeds(self.extract_feat(batch_inputs), batch_data_samples), dim=1)
