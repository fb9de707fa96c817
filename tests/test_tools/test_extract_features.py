"""Oracle: the network itself, image by image."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from pedsearch.evaluation import read_features
from pedsearch.registry import DATASETS

from .reid_files import NUM_GALLERY, NUM_QUERIES, NUM_TRAIN, write_run

TOOL = Path(__file__).parents[2] / 'tools/extract_features.py'


def run(folder: Path, *args: object) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CUDA_VISIBLE_DEVICES', '')
        patch.setenv('LOCAL_RANK', '0')
        patch.setattr(sys, 'argv', [str(TOOL), str(folder / 'config.py'), *map(str, args)])
        runpy.run_path(str(TOOL), run_name='__main__')


@pytest.fixture(scope='module')
def extracted(tmp_path_factory):
    """Folder, config, network, and the test split's features."""
    folder = tmp_path_factory.mktemp('features')
    cfg, model = write_run(folder)
    run(folder, folder / 'weights.pth', '--out', folder / 'test.npz', '--batch-size', 4)
    return folder, cfg, model, read_features(folder / 'test.npz')


@torch.no_grad()
def test_features_and_index_are_those_of_the_dataset(extracted) -> None:
    _, cfg, model, table = extracted
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for index in range(len(dataset)):
        data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
        feat, = model.extract_feat(data['inputs'])
        info = dataset.get_data_info(index)
        assert np.allclose(table.feats[index], feat.numpy(), atol=1e-5)
        assert [table.img_paths[index], table.pids[index], table.camids[index], table.is_query[index]] == [
            info['img_path'], info['pid'], info['camid'], info['is_query']]
    assert (table.labels == -1).all()


def test_two_processes_write_the_same_file(extracted) -> None:
    folder = extracted[0]
    command = [sys.executable, '-W', 'ignore', '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', TOOL,
               folder / 'config.py', folder / 'weights.pth', '--out', folder / 'two.npz', '--batch-size', 4,
               '--launcher', 'pytorch']
    threads = dict(OMP_NUM_THREADS=str(torch.get_num_threads()))  # they change the order of sums
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=TOOL.parents[1],
                            env={**os.environ, 'CUDA_VISIBLE_DEVICES': '', **threads})
    assert result.returncode == 0, result.stderr
    assert 'two.npz: 15 images, 64 dimensions' in result.stdout
    assert (folder / 'two.npz').read_bytes() == (folder / 'test.npz').read_bytes()


@pytest.mark.parametrize(('split', 'count'), [('query', NUM_QUERIES), ('gallery', NUM_GALLERY)])
def test_parts_are_rows_of_the_whole(extracted, split: str, count: int) -> None:
    folder, _, _, table = extracted
    run(folder, folder / 'weights.pth', '--split', split, '--out', folder / 'part.npz')
    part, rows = read_features(folder / 'part.npz'), table.is_query == (split == 'query')
    assert len(part) == count
    assert part.img_paths.tolist() == table.img_paths[rows].tolist()
    assert np.allclose(part.feats, table.feats[rows], atol=1e-5)


def test_training_images_carry_the_pseudo_labels_of_the_checkpoint(extracted, tmp_path: Path) -> None:
    folder, _, model, _ = extracted
    labels = torch.arange(NUM_TRAIN) % 4 - 1
    for name, stored in (('own', labels), ('others', torch.zeros(3, dtype=torch.long))):
        torch.save(dict(state_dict=model.state_dict(), pseudo_labels=dict(labels=stored, epoch=3)), tmp_path / f'{name}.pth')
        run(folder, tmp_path / f'{name}.pth', '--split', 'train', '--out', tmp_path / f'{name}.npz')
    table = read_features(tmp_path / 'own.npz')
    assert table.labels.tolist() == labels.tolist()
    assert table.pids.tolist() == sorted(table.pids.tolist())
    table = read_features(tmp_path / 'others.npz')
    assert table.labels.tolist() == table.pids.tolist()


def test_without_checkpoint_the_weights_are_those_training_starts_from(extracted, tmp_path: Path) -> None:
    folder, _, model, table = extracted
    torch.save(dict(state_dict=model.backbone.state_dict()), tmp_path / 'backbone.pth')
    run(folder, '--out', tmp_path / 'start.npz', '--cfg-options', 'model.backbone.init_cfg.type=Pretrained',
        f'model.backbone.init_cfg.checkpoint={tmp_path / "backbone.pth"}')
    assert np.allclose(read_features(tmp_path / 'start.npz').feats, table.feats, atol=1e-5)


def test_mistakes_are_named(extracted, tmp_path: Path, capsys) -> None:
    folder = extracted[0]
    with pytest.raises(SystemExit):
        run(folder, '--out', tmp_path / 'x.csv')
    assert 'error: --out must be a .npz file, got' in capsys.readouterr().err
    with pytest.raises(SystemExit, match='error: there is no file .*none.pth; give a config file and a checkpoint'):
        run(folder, tmp_path / 'none.pth', '--out', tmp_path / 'x.npz')
    assert not list(tmp_path.iterdir())
