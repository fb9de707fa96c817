"""Oracle: people placed by hand."""

import json

import numpy as np
import pytest

from pedsearch.datasets import SearchSceneDataset, described_people
from tests.scene_files import write_block_scenes


def scenes(root, people):
    """Scenes whose test images hold these people, (person_id, caption, iscrowd) each."""
    write_block_scenes(root)
    path = root / 'annotations/test.json'
    content = json.loads(path.read_text())
    content['annotations'] = [
        dict(id=image * 10 + place, image_id=image, category_id=1, bbox=[10 * place, 5, 8, 20], area=160, iscrowd=crowd,
             person_id=pid, **({} if text is None else dict(caption=text)))
        for image, members in enumerate(people) for place, (pid, text, crowd) in enumerate(members)]
    path.write_text(json.dumps(content))
    return SearchSceneDataset(str(root), split='test', pipeline=[], test_mode=True)


def test_every_sentence_of_a_person_is_a_query_once(tmp_path):
    found = described_people(scenes(tmp_path / 's', [
        [(3, 'a man in red', 0), (4, 'a man in red', 0)],
        [(4, 'a man in red', 0), (3, 'someone in red', 0)],
        [(3, None, 0), (-1, 'a stranger', 0), (4, 'a crowd', 1)],
        [(5, '', 0)],
    ]))
    assert [(one['pid'], one['text'], one['img_id']) for one in found] == [
        (3, 'a man in red', 0), (4, 'a man in red', 0), (3, 'someone in red', 1)]
    assert {img: np.array(boxes).tolist() for img, boxes in found[0]['targets'].items()} == {
        0: [[0, 5, 8, 25]], 1: [[10, 5, 18, 25]], 2: [[0, 5, 8, 25]]}
    assert found[2]['targets'] == found[0]['targets']
    assert found[2]['bbox'] == [10, 5, 18, 25]
    assert list(found[1]['targets']) == [0, 1]


def test_scenes_without_sentences_are_an_error(tmp_path):
    with pytest.raises(ValueError, match=r'must describe people with an identity \(caption and person_id\), got none'):
        described_people(scenes(tmp_path / 's', [[(3, None, 0)], [(3, '', 0), (-1, 'a stranger', 0)]]))
