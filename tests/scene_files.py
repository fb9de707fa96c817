"""Scene files on disk without rendering: coloured blocks for people, noise for the world."""

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_block_scenes(root: Path, num_train: int = 8, num_test: int = 4, num_ids: int = 6,
                       size: tuple[int, int] = (96, 128)) -> Path:
    """Write both splits in the own-data format; every person is a block of its own colour.

    Train images hold up to three people, about a quarter of them without identity; test images hold two labelled ones.
    """
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (2 * num_ids, 3))
    (root / 'images').mkdir(parents=True)
    (root / 'annotations').mkdir()
    for split, count, first_id in (('train', num_train, 0), ('test', num_test, num_ids)):
        images, annotations = [], []
        for index in range(count):
            picture = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
            people = 2 if split == 'test' else index % 4
            for place in range(people):
                person = first_id + (index + place) % num_ids
                x, y, w, h = 5 + 40 * place, int(rng.integers(0, 30)), 30, 60
                picture[y:y + h, x:x + w] = colors[person]
                unlabeled = split == 'train' and rng.random() < .25
                annotations.append(dict(id=len(annotations), image_id=index, category_id=1, bbox=[x, y, w, h],
                                        area=w * h, iscrowd=0, person_id=-1 if unlabeled else person))
            name = f'{split}_{index}.png'
            Image.fromarray(picture).save(root / 'images' / name)
            images.append(dict(id=index, file_name=name, width=size[1], height=size[0], camera_id=index % 2))
        (root / 'annotations' / f'{split}.json').write_text(json.dumps(dict(
            info=dict(format='pedsearch-scenes', version=1), categories=[dict(id=1, name='person')], images=images,
            annotations=annotations)))
    return root
