"""Market-1501 in the layout of its public release."""

import re

from pedsearch.registry import DATASETS
from pedsearch.structures import UNLABELED

from .named_crops import read_named_crops
from .reid_dataset import Crop, ReIDDataset

_NAME = re.compile(r'(?P<pid>-1|\d+)_c(?P<camera>[1-9]\d*)s\d+_\d+_\d+\.')


@DATASETS.register_module()
class Market1501Dataset(ReIDDataset):
    """Market-1501: 12,936 training images of 751 people, 3,368 queries of 750 others, 15,913 gallery images.

    Layout: ``bounding_box_train``, ``query`` and ``bounding_box_test`` below ``data_root`` or below
    ``Market-1501-v15.09.15`` in it. A name reads identity, camera, sequence, frame, box: ``0002_c1s1_000451_03.jpg``.

    Identity -1 (junk, bad detections) is dropped at load. Identity 0 (2,798 distractors) stays in the gallery, where
    it matches no query. Cameras count from 0.

    Args:
        **kwargs: See :class:`ReIDDataset`.

    Raises:
        ValueError: A picture has another name than released.

    Source: Zheng et al., ICCV 2015.
    """

    def load_crops(self) -> list[Crop]:
        crops = read_named_crops(self.data_root, self.split, 'Market-1501-v15.09.15', _NAME, 'PPPP_cCsS_FFFFFF_BB.jpg')
        return [crop for crop in crops if crop.pid != UNLABELED]
