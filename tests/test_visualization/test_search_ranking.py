"""Oracles: slices of the images inside the frames, counted from the records of the search."""

from pathlib import Path

import numpy as np
import pytest

from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_ranked_galleries
from pedsearch.visualization.drawing import MATCH, MISSED, OTHER, QUERY
from pedsearch.visualization.sheet import CROP_SIZE, FRAME

from .searched_scenes import write_searched
from .sheet_frames import frames, picture


@pytest.fixture
def searched(tmp_path: Path) -> tuple[dict, list[dict]]:
    """The dataset's config and the records of the search."""
    return write_searched(tmp_path)


def test_ranked_galleries_of_a_test(searched: tuple) -> None:
    config, per_query = searched
    dataset = DATASETS.build(config)
    sheet = draw_ranked_galleries(dataset, per_query, num_best=1, num_worst=1, topk=4)
    expected = {kind: 0 for kind in (MATCH, OTHER)}
    for one in per_query:
        for hit in one['top'][:4]:
            expected[MATCH if hit['is_match'] else OTHER] += 1
    assert expected[MATCH] > 0
    assert expected[OTHER] > 0
    assert {kind: len(frames(sheet, kind)) for kind in (MATCH, OTHER)} == expected
    assert len(frames(sheet, QUERY)) == len(frames(sheet, MISSED)) == 2
    by_place = sorted(frames(sheet, MATCH) + frames(sheet, OTHER), key=lambda frame: (frame[1], frame[0]))
    best = max(per_query, key=lambda one: one['ap'])
    for (x, y, x2, y2), one in zip(frames(sheet, MISSED), sorted(per_query, key=lambda one: -one['ap'])):
        found = {hit['img_id'] for hit in one['top'][:4] if hit['is_match']}
        left = int(one['bbox'][0])
        targets = [picture(index)[40:248, left:left + CROP_SIZE[1]] for index in range(1, 5 if left == 30 else 4)
                   if index not in found]
        shown = sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME]
        assert sum(np.array_equal(shown, target) for target in targets) == 1
    for (x, y, x2, y2), hit in zip(by_place, best['top'][:4]):
        x1 = int(hit['bbox'][0])
        assert np.array_equal(sheet[y + FRAME:y2 - FRAME, x + FRAME:x2 - FRAME],
                              picture(hit['img_id'])[40:248, x1:x1 + CROP_SIZE[1]])


def test_records_of_another_dataset_are_refused(searched: tuple) -> None:
    config, per_query = searched
    dataset = DATASETS.build(config)
    with pytest.raises(ValueError, match=r'the query \[1.0, 2.0, 3.0, 4.0\] in image 0 is not in the protocol'):
        draw_ranked_galleries(dataset, [dict(per_query[0], bbox=[1, 2, 3, 4])])
    with pytest.raises(ValueError, match="protocol must be one of .* got 'nothing'"):
        draw_ranked_galleries(dataset, per_query, protocol='nothing')
    with pytest.raises(ValueError, match='not both 0, topk >= 1, got 0, 0, 8'):
        draw_ranked_galleries(dataset, per_query, 0, 0)
