import json
from pathlib import Path

import numpy as np
import pytest

from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_dump, draw_ranked_galleries, draw_reid_rankings, read_dump

from .ranked_crops import write_ranked
from .searched_scenes import write_searched


def test_dump_of_a_search_is_drawn_as_such(tmp_path: Path) -> None:
    config, per_query = write_searched(tmp_path)
    dump = dict(format='pedsearch-search-dump', evaluations=dict(primary=per_query))
    dataset = DATASETS.build(config)
    for scenes in (False, True):
        assert np.array_equal(draw_dump(dataset, dump, 'primary', 1, 1, 4, scenes),
                              draw_ranked_galleries(dataset, per_query, 1, 1, 4, scenes))
    with pytest.raises(ValueError, match=r"evaluation must be one of \['primary'\], got 'control'"):
        draw_dump(dataset, dump, 'control')


def test_dump_of_reidentification_is_drawn_as_such(tmp_path: Path) -> None:
    dataset, _ = write_ranked(tmp_path, query_expansion=dict(k=2))
    dump = read_dump(tmp_path / 'dump.json')
    for name in ('primary', 'aqe'):
        assert np.array_equal(draw_dump(dataset, dump, name, 1, 1, 4),
                              draw_reid_rankings(dataset, dump['evaluations'][name], 1, 1, 4))
    with pytest.raises(ValueError, match='scenes must be False for re-identification'):
        draw_dump(dataset, dump, scenes=True)


def test_cameras_count_as_they_did_for_the_metric(tmp_path: Path) -> None:
    dataset, dump = write_ranked(tmp_path, cross_camera=False)
    per_query = dump['evaluations']['primary']
    assert np.array_equal(draw_dump(dataset, dump), draw_reid_rankings(dataset, per_query, cross_camera=False))
    assert not np.array_equal(draw_dump(dataset, dump), draw_reid_rankings(dataset, per_query, cross_camera=True))


@pytest.mark.parametrize(('content', 'error', 'text'), [
    (None, FileNotFoundError, 'dump .*x.json does not exist; write it with tools/test.py --out'),
    ('#', ValueError, 'dump .*x.json is not JSON'),
    ('[]', ValueError, 'x.json must be a dump of PersonSearchMetric or ReIDMetric'),
    (json.dumps(dict(format='other')), ValueError, 'x.json must be a dump of PersonSearchMetric or ReIDMetric'),
])
def test_other_files_are_refused(tmp_path: Path, content: str | None, error: type, text: str) -> None:
    if content is not None:
        (tmp_path / 'x.json').write_text(content)
    with pytest.raises(error, match=text):
        read_dump(tmp_path / 'x.json')
