"""DukeMTMC-reID in the layout of its former release."""

import re

from pedsearch.registry import DATASETS

from .named_crops import read_named_crops
from .reid_dataset import Crop, ReIDDataset

_NAME = re.compile(r'(?P<pid>\d+)_c(?P<camera>[1-9]\d*)_f\d+\.')


@DATASETS.register_module()
class DukeMTMCDataset(ReIDDataset):
    """DukeMTMC-reID, **which its authors withdrew in 2019**: the recording went beyond what had been approved.

    The reader is here to compare with figures of older papers where a copy is lawfully at hand; there is no config, no
    download and no check for it. Prefer another dataset.

    Layout: ``bounding_box_train``, ``query`` and ``bounding_box_test`` below ``data_root`` or below ``DukeMTMC-reID``
    in it. A name reads identity, camera, frame: ``0001_c2_f0046182.jpg``. Cameras count from 0.

    Args:
        **kwargs: See :class:`ReIDDataset`.

    Raises:
        ValueError: A picture has another name than released.

    Source: Ristani et al., ECCV Workshops 2016; Zheng et al., ICCV 2017.
    """

    def load_crops(self) -> list[Crop]:
        return read_named_crops(self.data_root, self.split, 'DukeMTMC-reID', _NAME, 'PPPP_cC_fFFFFFFF.jpg')
