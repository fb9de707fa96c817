"""Oracle: the picture that the function draws."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_ranked_galleries, draw_reid_rankings
from tests.test_tools.reid_files import reid_config
from tests.test_visualization.ranked_crops import CROPS, write_ranked
from tests.test_visualization.searched_scenes import write_searched

TOOL = str(Path(__file__).parents[3] / 'tools/analysis_tools/vis_ranked_gallery.py')


@pytest.fixture
def run(tmp_path: Path, monkeypatch):
    """Runs the tool on a dump; the picture."""

    def run(dump: str, *options: str) -> np.ndarray:
        out = tmp_path / 'deep/ranked.png'
        monkeypatch.setattr(sys, 'argv', [TOOL, str(tmp_path / 'config.py'), str(tmp_path / dump), str(out), *options])
        runpy.run_path(TOOL, run_name='__main__')
        return cv2.imread(str(out))[..., ::-1]

    return run


def test_person_search(tmp_path: Path, run) -> None:
    config, per_query = write_searched(tmp_path)
    (tmp_path / 'config.py').write_text(f"default_scope = 'pedsearch'\ntest_dataloader = dict(dataset={config!r})\n")
    dump = dict(format='pedsearch-search-dump', evaluations=dict(primary=per_query))
    (tmp_path / 'dump.json').write_text(json.dumps(dump))
    expected = draw_ranked_galleries(DATASETS.build(config), per_query, 1, 1, 4)
    assert np.array_equal(run('dump.json', '--best', '1', '--worst', '1', '--topk', '4'), expected)
    with pytest.raises(FileNotFoundError, match='dump .*none.json does not exist; write it with tools/test.py --out'):
        run('none.json')
    with pytest.raises(ValueError, match=r"evaluation must be one of \['primary'\], got 'control'"):
        run('dump.json', '--evaluation', 'control')


def test_reidentification(tmp_path: Path, run) -> None:
    names = [f'{"query" if crop["is_query"] else "bounding_box_test"}/{crop["pid"]:04d}_c{crop["camid"] + 1}s1_{place:06d}_00.png'
             for place, crop in enumerate(CROPS)]
    places = sorted(range(len(CROPS)), key=lambda place: (not CROPS[place]['is_query'], names[place]))
    assert places[:3] == [0, 1, 2]
    _, dump = write_ranked(tmp_path, names)
    order = {place: index for index, place in enumerate(places)}  # the dataset sorts by name
    for query in dump['evaluations']['primary']:
        for record in (query, *query['top']):
            record['sample_idx'] = order[record['sample_idx']]
    (tmp_path / 'dump.json').write_text(json.dumps(dump))
    cfg = reid_config(tmp_path)
    cfg.dump(tmp_path / 'config.py')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    expected = draw_reid_rankings(dataset, dump['evaluations']['primary'], 1, 1, 3)
    assert np.array_equal(run('dump.json', '--best', '1', '--worst', '1', '--topk', '3'), expected)
    with pytest.raises(ValueError, match='scenes must be False for re-identification'):
        run('dump.json', '--scenes')
