"""Oracle: the pictures that the function draws."""

import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from pedsearch.registry import DATASETS
from pedsearch.visualization import draw_activation_maps, grad_cam
from tests.test_tools.reid_files import write_run

TOOL = str(Path(__file__).parents[3] / 'tools/analysis_tools/vis_cam.py')


def test_tool_draws_what_the_function_draws(tmp_path: Path, monkeypatch, capsys) -> None:
    cfg, model = write_run(tmp_path)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    paths = [Path(dataset.get_data_info(index)['img_path']) for index in range(3)]

    def run(*args: object) -> None:
        command = [TOOL, tmp_path / 'config.py', tmp_path / 'weights.pth', *args, '--out-dir', tmp_path / 'out']
        monkeypatch.setattr(sys, 'argv', list(map(str, command)))
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
        runpy.run_path(TOOL, run_name='__main__')

    def drawn(index: int) -> np.ndarray:
        return cv2.imread(str(tmp_path / f'out/{paths[index].stem}_cam.png'))[..., ::-1]

    run(*paths[:2])
    assert len(list((tmp_path / 'out').iterdir())) == 2
    inputs = model.data_preprocessor(pseudo_collate([dataset[index] for index in range(3)]), False)['inputs']
    images = [cv2.imread(str(path))[..., ::-1].copy() for path in paths]  # as large as the network's input
    for index in range(2):
        cam = grad_cam(model, inputs[index:index + 1]).numpy()
        expected = draw_activation_maps('What makes up the embedding', [images[index]], cam, [paths[index].name])
        assert np.abs(drawn(index).astype(int) - expected).max() <= 1

    run(paths[0], '--against', paths[2])
    with torch.no_grad():
        embeds = model.extract_feat(inputs[[0, 2]])
    cams = grad_cam(model, inputs[[0, 2]], embeds.flip(0)).numpy()
    title = f'What speaks for their similarity, {float(embeds[0] @ embeds[1]):.2f}'
    expected = draw_activation_maps(title, [images[0], images[2]], cams, [paths[0].name, paths[2].name])
    assert np.abs(drawn(0).astype(int) - expected).max() <= 1

    with pytest.raises(SystemExit):
        run(paths[0], paths[0])
    assert 'the images must differ in name' in capsys.readouterr().err
