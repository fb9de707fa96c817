"""A search through scenes of noise."""

import json
from pathlib import Path

import cv2
import numpy as np

from pedsearch.functional import SearchQuery, evaluate_search
from pedsearch.registry import DATASETS
from pedsearch.visualization.sheet import CROP_SIZE

from .sheet_frames import picture


def write_searched(folder: Path) -> tuple[dict, list[dict]]:
    """Five images that show person 1 (twice not found at rank one) and person 2: the dataset's config, the records of a
    search.
    """
    (folder / 'images').mkdir()
    (folder / 'annotations').mkdir()
    images, annotations = [], []
    for index in range(5):
        cv2.imwrite(str(folder / f'images/{index}.png'), picture(index)[..., ::-1])
        images.append(dict(id=index, file_name=f'{index}.png', width=400, height=300))
        for pid, x in ((1, 30), (2, 230)):
            if (pid, index) != (2, 4):
                annotations.append(dict(id=len(annotations), image_id=index, category_id=1, person_id=pid,
                                        bbox=[x, 40, CROP_SIZE[1], CROP_SIZE[0]], area=1, iscrowd=0))
    content = dict(info=dict(format='pedsearch-scenes', version=1), categories=[dict(id=1, name='person')],
                   images=images, annotations=annotations)
    (folder / 'annotations/test.json').write_text(json.dumps(content))
    queries = [dict(image_id=0, bbox=[x, 40, CROP_SIZE[1], CROP_SIZE[0]], person_id=pid, gallery=None)
               for pid, x in ((1, 30), (2, 230))]
    (folder / 'annotations/test_protocol.json').write_text(json.dumps(dict(queries=queries)))
    config = dict(type='SearchSceneDataset', data_root=str(folder), split='test', test_mode=True)
    dataset = DATASETS.build(config)
    boxes = np.array([[30, 40, 134, 248], [230, 40, 334, 248]], float)
    right, wrong = np.eye(2), np.eye(2)[::-1]
    detections = {index: (boxes, np.ones(2), wrong if index == 3 else right) for index in range(5)}
    entries = dataset.metainfo['protocols'][next(iter(dataset.metainfo['protocols']))]
    result = evaluate_search(detections, [SearchQuery(entry['img_id'], entry['bbox'], np.eye(2)[entry['pid'] - 1],
                                                      entry['targets'], entry['gallery']) for entry in entries])
    return config, result['per_query']
