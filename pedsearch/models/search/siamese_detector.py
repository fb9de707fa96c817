"""Detector whose backbone also sees every person alone, cropped from the scene.

Shape legend: B images, G annotated boxes of a batch, R regions.
"""

from collections.abc import Callable, Iterable

from torch import Tensor

from pedsearch.ops import person_crops
from pedsearch.registry import MODELS
from pedsearch.structures import SearchDataSample

from .occlusion import Occlusion, paint_patches
from .person_search_detector import PersonSearchDetector


class SiameseFeatures(tuple):
    """Feature maps (B, C, H, W) of scenes, and the way to those of the people in them.

    Attributes:
        crop_maps: (R, 5) regions -> (R, C, h, w), the last map of the crops.
    """

    crop_maps: Callable[[Tensor], Tensor]

    def __new__(cls, maps: Iterable[Tensor], crop_maps: Callable[[Tensor], Tensor]) -> 'SiameseFeatures':
        self = super().__new__(cls, maps)
        self.crop_maps = crop_maps
        return self


@MODELS.register_module()
class SiamesePersonSearchDetector(PersonSearchDetector):
    """:class:`~pedsearch.models.search.person_search_detector.PersonSearchDetector` with an instance branch.

    The RoI head receives :class:`SiameseFeatures`: crops go through the same backbone and neck as the scenes. In
    training the scenes are partly hidden, the crops are taken from the clean images.

    Args:
        crop_size: (height, width) of a person in the instance branch.
        occlusion: settings of :class:`~pedsearch.models.search.occlusion.Occlusion`; None hides nothing.
        *args, **kwargs: as there.
    """

    def __init__(self, *args, crop_size: tuple[int, int] = (224, 96), occlusion: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.crop_size = tuple(crop_size)
        self.occlusion = None if occlusion is None else Occlusion(**occlusion)

    def extract_feat(self, batch_inputs: Tensor, clean_inputs: Tensor | None = None) -> SiameseFeatures:
        """Features of scenes (B, 3, H, W) and, when asked, of people in them or in their unhidden twins."""
        maps_of = super().extract_feat
        images = batch_inputs if clean_inputs is None else clean_inputs
        return SiameseFeatures(maps_of(batch_inputs),
                               lambda rois: maps_of(person_crops(images, rois, self.crop_size))[-1])

    def training_feat(self, batch_inputs: Tensor, batch_data_samples: list[SearchDataSample]) -> SiameseFeatures:
        if self.occlusion is None:
            return self.extract_feat(batch_inputs)
        patches = [self.occlusion.patches(sample.gt_instances.bboxes, sample.gt_instances.metainfo.get('seed'))
                   for sample in batch_data_samples]
        return self.extract_feat(paint_patches(batch_inputs, patches), clean_inputs=batch_inputs)
