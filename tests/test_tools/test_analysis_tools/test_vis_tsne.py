"""Oracle: the picture that the function draws."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pedsearch.evaluation import FeatureTable, write_features
from pedsearch.visualization import draw_embedding_map

TOOL = str(Path(__file__).parents[3] / 'tools/analysis_tools/vis_tsne.py')


@pytest.mark.parametrize(('by', 'name'), [('pid', 'identity'), ('label', 'cluster')])
def test_tool_draws_what_the_function_draws(tmp_path: Path, monkeypatch, by: str, name: str) -> None:
    rng = np.random.default_rng(0)
    infos = [dict(img_path='', pid=place % 3, camid=place % 2, label=place % 5 - 1) for place in range(20)]
    table = FeatureTable.of(rng.normal(size=(20, 6)), infos)
    write_features(tmp_path / 'features.npz', table)
    monkeypatch.setattr(sys, 'argv', [TOOL, str(tmp_path / 'features.npz'), str(tmp_path / 'deep/map.png'), '--by', by,
                                      '--num-labels', '2', '--seed', '3', '--perplexity', '4'])
    runpy.run_path(TOOL, run_name='__main__')
    labels = table.pids if by == 'pid' else table.labels
    expected = draw_embedding_map(table.feats, labels, table.camids, 2, name, 3, 4.)
    assert np.array_equal(cv2.imread(str(tmp_path / 'deep/map.png'))[..., ::-1], expected)
