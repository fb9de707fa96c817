"""A user's own scenes."""

import os.path as osp
from collections.abc import Sequence

from pedsearch.registry import DATASETS

from .scene_file import load_json, parse_queries, parse_scenes
from .search_dataset import Scene, SearchDataset, find_targets, locate_people, make_contiguous


def first_sightings(scenes: Sequence[Scene]) -> list[dict]:
    """Choose queries where nobody wrote a protocol: the first box of each person in each camera.

    Only people seen in at least two images are taken; the gallery is every other image.

    Returns:
        list[dict]: ``dict(img_id, bbox (4,), pid, gallery=None)``, ordered by image.
    """
    places = locate_people(scenes)
    queries, seen = [], set()
    for img_id, scene in enumerate(scenes):
        for bbox, pid in scene.known_people():
            if len(places[pid]) > 1 and (pid, scene.camid) not in seen:
                seen.add((pid, scene.camid))
                queries.append(dict(img_id=img_id, bbox=bbox, pid=pid, gallery=None))
    return queries


@DATASETS.register_module()
class SearchSceneDataset(SearchDataset):
    """Own data: COCO-style annotations with ``person_id``; the format is described in :mod:`.scene_file`.

    In training the person ids are mapped in rising order to 0 ... ``num_ids - 1``, in testing they stay as annotated.
    The test protocol, named ``search``, is read from ``protocol_file``; where the default file does not exist the
    queries are the first box of each person in each camera, for people seen in at least two images, and the gallery
    is every other image.

    Samples carry ``visibility``, ``attributes`` and ``caption`` in their instances where annotated; boxes with
    ``iscrowd`` are ignored and never searched for. ``metainfo['attribute_names']`` is set where the file has it.

    Args:
        ann_file (str | None): Annotations, below ``data_root``. Default: ``annotations/{split}.json``.
        protocol_file (str | None): Queries, below ``data_root``. Default: ``annotations/test_protocol.json`` if that
            exists.
        **kwargs: See :class:`SearchDataset`.

    Raises:
        ValueError: An annotation is not as described; the message names the file, the entry and the remedy.
    """

    IMAGE_DIR = 'images'

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 ann_file: str | None = None,
                 protocol_file: str | None = None,
                 **kwargs) -> None:
        self.protocol_file = protocol_file
        super().__init__(data_root, split, ann_file=ann_file or f'annotations/{split}.json', **kwargs)

    def load_scenes(self) -> list[Scene]:
        content = load_json(self.ann_file)
        scenes, image_ids, num_dropped = parse_scenes(content, self.ann_file)
        self.warn_dropped(num_dropped)
        self._img_ids = {image_id: img_id for img_id, image_id in enumerate(image_ids)}
        if 'attribute_names' in content:
            self._metainfo.setdefault('attribute_names', tuple(content['attribute_names']))
        if self.split == 'train':
            make_contiguous(scenes)
        return scenes

    def load_protocols(self, scenes: Sequence[Scene]) -> dict[str, list[dict]]:
        default = osp.join(self.data_root, 'annotations/test_protocol.json')
        path = default if self.protocol_file is None else osp.join(self.data_root, self.protocol_file)
        if self.protocol_file is None and not osp.isfile(path):
            queries = first_sightings(scenes)
        else:
            queries = parse_queries(load_json(path), self._img_ids, [scene.size for scene in scenes], path)
        places = locate_people(scenes)
        for query in queries:
            query['targets'] = find_targets(places.get(query['pid'], {}), query['img_id'], query['gallery'])
        self.warn_without_target(
            [f'person {q["pid"]} in {scenes[q["img_id"]].file_name}' for q in queries if not q['targets']])
        return dict(search=[query for query in queries if query['targets']])
