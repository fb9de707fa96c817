"""Pedestrian attribute recognition.

Shape legend: B photos, H x W network input, A attributes.
"""

from torch import Tensor, nn

from pedsearch.registry import MODELS
from pedsearch.structures import ReIDDataSample

from .image_text import ImageTextModel, attributes_of
from .views_preprocessor import as_views


@MODELS.register_module()
class AttributeModel(ImageTextModel):
    """Image encoder, mean over its map, and one linear layer whose outputs are the attributes' logits.

    Args:
        num_attributes: A.
        criterion: arguments of :class:`~pedsearch.models.losses.MultiLabelBCELoss`; the default sums over attributes.
        **kwargs: of :class:`~pedsearch.models.pretrain.ImageTextModel`, without text encoder.

    Source: Jia et al., "Rethinking of Pedestrian Attribute Recognition: A Reliable Evaluation under Zero-Shot
    Pedestrian Identity Setting", 2021, whose baseline this is. Deviation: none.
    """

    def __init__(self, image_encoder: dict, image_dims: int, num_attributes: int, criterion: dict | None = None,
                 **kwargs) -> None:
        super().__init__(image_encoder, image_dims, **kwargs)
        self.attribute_head = nn.Linear(image_dims, num_attributes)
        self.attributes = MODELS.build(dict(criterion or dict(reduction='sum'), type='MultiLabelBCELoss'))

    def loss(self, inputs: Tensor | list[Tensor], data_samples: list[ReIDDataSample]) -> dict[str, Tensor]:
        """``loss_attributes`` of the first view of the photos."""
        logits = self.attribute_head(self.pooled_feat(as_views(inputs)[0]))
        return dict(loss_attributes=self.attributes(logits, attributes_of(data_samples, logits.device)))
