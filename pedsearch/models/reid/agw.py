"""AGW: the strong baseline with non-local attention, generalised mean pooling and the weighted triplet loss."""

from typing import Any

from pedsearch.registry import MODELS

from .bot import BoTHead


@MODELS.register_module()
class AGWHead(BoTHead):
    """:class:`BoTHead` with the weighted triplet loss.

    The other two parts of AGW stand in the config: ``ReIDResNet(non_local=(0, 2, 3, 0))`` and
    ``GeMPooling(trainable=False)``.

    Args: as :class:`BoTHead`.

    Source: Ye et al., "Deep Learning for Person Re-identification: A Survey and Outlook", TPAMI 2021, with the settings
    of fast-reid. Deviation: the weights of negatives are a stable softmax, see
    :class:`~pedsearch.models.losses.WeightedTripletLoss`.
    """

    def __init__(self, embed_dims: int, num_classes: int, triplet: dict | None = None, classifier_std: float = 0.01,
                 **kwargs: Any) -> None:
        super().__init__(embed_dims, num_classes, triplet=triplet or dict(type='WeightedTripletLoss'),
                         classifier_std=classifier_std, **kwargs)
