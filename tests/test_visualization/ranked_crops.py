"""A re-identification test on crops of noise: the data, and the dump of its metric."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pedsearch.evaluation import ReIDMetric
from pedsearch.visualization.sheet import CROP_SIZE

from .sheet_frames import picture

CROPS = [
    dict(pid=1, camid=0, is_query=True, feat=(1., 0.)),
    dict(pid=2, camid=1, is_query=True, feat=(0., 1.)),
    dict(pid=9, camid=1, is_query=True, feat=(1., 1.)),  # nobody of this identity in the gallery
    dict(pid=1, camid=0, is_query=False, feat=(1., 0.)),  # same camera as the query: does not count
    dict(pid=1, camid=1, is_query=False, feat=(.99, .1)),
    dict(pid=1, camid=2, is_query=False, feat=(.9, .2)),
    dict(pid=2, camid=0, is_query=False, feat=(.95, .15)),
    dict(pid=2, camid=2, is_query=False, feat=(.2, .9)),
    dict(pid=0, camid=0, is_query=False, feat=(.3, .9)),
]
"""For query 0 the answers are 4, 6 (wrong), 5, ...; for query 1: 7, 8 (wrong), 5 (wrong), ..., and 6 is far behind."""


class CropDataset:
    """The images of a folder with what :data:`CROPS` says of them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.infos = [dict(img_path=str(path), sample_idx=index, **crop)
                      for index, (path, crop) in enumerate(zip(paths, CROPS))]

    def __len__(self) -> int:
        return len(self.infos)

    def get_data_info(self, index: int) -> dict:
        return self.infos[index]


def crop_picture(index: int) -> np.ndarray:
    """What image ``index`` shows."""
    return picture(index, *CROP_SIZE)


def write_ranked(folder: Path, names: Sequence[str] | None = None, **settings: object) -> tuple[CropDataset, dict]:
    """The dataset and the content of the metric's dump."""
    names = names or [f'{index}.png' for index in range(len(CROPS))]
    paths = [folder / name for name in names]
    for index, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), crop_picture(index)[..., ::-1])
    dataset = CropDataset(paths)
    metric = ReIDMetric(dump=str(folder / 'dump.json'), **settings)
    metric.process(None, [dict(info, feat=np.array(info['feat'])) for info in dataset.infos])
    metric.evaluate(len(dataset))
    return dataset, json.loads((folder / 'dump.json').read_text())
