"""Whole trainings of GCL and GCL+: interrupted ones, and on two processes."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.crop_runs import write_block_crops
from tests.processes import run_on_processes
from tests.toy_models import CONFIGS
from tests.toy_runs import train

from .gcl_batches import SIZE, gcl_config


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    return write_block_crops(tmp_path_factory.mktemp('crops') / 'blocks')


def gcl_run(kind: str, root: Path, work_dir: Path, batch_size: int = 8, stage: str = 'joint', **overrides) -> Config:
    """Two epochs of four steps with plain SGD."""
    name = dict(warmup='1xb8-6e-warmup', joint='1xb16-6e-joint')[stage]
    cfg = Config.fromfile(CONFIGS / f'gcl/gcl_mobilenetv2_{name}_toy.py')
    cfg.model = gcl_config(kind, stage=stage)
    cfg.model.head.memory.temperature = 0.5
    resize = dict(type='mmpretrain.Resize', scale=SIZE[::-1])
    views = dict(type='MeshViewGenerator', image_size=SIZE, bodies=dict(type='WalkingBodies', photo_size=SIZE),
                 cache='memory')
    pipeline = [dict(type='LoadImage'), resize, dict(type='LoadMeshViews', views=views), dict(type='PackReIDInputs')]
    cfg.train_dataloader.dataset.update(data_root=str(root), pipeline=pipeline)
    cfg.test_dataloader.dataset.pipeline = [dict(type='LoadImage'), resize, dict(type='PackReIDInputs')]
    cfg.train_dataloader.batch_size = batch_size
    cfg.train_dataloader.sampler = dict(type='LabelledSampler', global_batch_size=8, num_iters=4)
    cfg.train_cfg = dict(type='ResumableEpochLoop', max_epochs=2)
    sgd = dict(optimizer=dict(type='SGD', lr=1e-4, momentum=.9))
    cfg.optim_wrapper = dict(constructor='PartOptimizers', generator=sgd, discriminator=sgd)
    if stage == 'joint':
        cfg.optim_wrapper['encoder'] = sgd
        cfg.custom_hooks[0].clusterer.update(eps=.6, k1=8, k2=2, min_samples=2)
        cfg.custom_hooks[0].batch_size = 8
    falling = dict(type='MultiStepLR', milestones=[1], gamma=.5)
    cfg.param_scheduler = dict.fromkeys(cfg.optim_wrapper.keys() - {'constructor'}, falling)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
    cfg.work_dir = str(work_dir)
    cfg.log_level = 'WARNING'
    cfg.merge_from_dict(overrides)
    return cfg


@pytest.fixture(scope='module', params=['GCL', 'GCLPlus'])
def whole(request, root, tmp_path_factory) -> tuple:
    work_dir = tmp_path_factory.mktemp(request.param)
    return request.param, work_dir, *train(gcl_run(request.param, root, work_dir))


def test_a_run_clusters_and_all_parts_learn(whole):
    _, _, losses, state = whole
    assert len(losses) == 8
    assert all(value == value for step in losses for value in step.values())
    assert len(state['head.memory.labels'].unique()) > 2


@pytest.mark.parametrize('iteration', [2, 4])
def test_resume_continues_the_run(whole, root, tmp_path, iteration):
    kind, work_dir, losses, state = whole
    cfg = gcl_run(kind, root, tmp_path, resume=True, load_from=str(work_dir / f'iter_{iteration}.pth'))
    resumed_losses, resumed_state = train(cfg)
    assert len(resumed_losses) == 8 - iteration
    for resumed, wanted in zip(resumed_losses, losses[iteration:]):
        assert resumed == pytest.approx(wanted, abs=1e-6)
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_killed_run_resumes_to_the_same_end(whole, root, tmp_path):
    kind, _, losses, state = whole
    script = ('from pathlib import Path; from tests.test_models.test_reid.test_gcl_training import gcl_run, train\n'
              f'train(gcl_run({kind!r}, Path({str(root)!r}), Path({str(tmp_path)!r})))')
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script])
    while not (tmp_path / 'iter_2.pth').exists():
        assert process.poll() is None
        time.sleep(.02)
    process.kill()  # SIGKILL
    process.wait()
    resumed_losses, resumed_state = train(gcl_run(kind, root, tmp_path, resume=True))
    assert resumed_losses[-1] == pytest.approx(losses[-1], abs=1e-6)
    torch.testing.assert_close(resumed_state['head.memory.embeds'], state['head.memory.embeds'])


def train_on_rank(rank: int, world_size: int, kind: str, root: str, work_dir: str, stage: str) -> tuple:
    overrides = {'launcher': 'pytorch', 'optim_wrapper.generator.optimizer.lr': 1e-5}
    return train(gcl_run(kind, Path(root), Path(work_dir), 8 // world_size, stage, **overrides))


@pytest.mark.parametrize('stage', ['warmup', 'joint'])
def test_two_processes_equal_one(root, tmp_path, stage):
    """Losses of the first epoch and the memory after its first step: later rounding has grown in the batch norms."""
    one, _ = train(gcl_run('GCLPlus', root, tmp_path / 'one', 8, stage,
                           **{'optim_wrapper.generator.optimizer.lr': 1e-5}))
    two = run_on_processes(train_on_rank, 2, 'GCLPlus', str(root), str(tmp_path / 'two'), stage)
    for step, wanted in enumerate(one[:4]):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in wanted}
        assert both == pytest.approx(wanted, abs=1e-3, rel=1e-3)
    assert torch.equal(two[0][1]['head.memory.embeds'], two[1][1]['head.memory.embeds'])
    first, wanted = (torch.load(tmp_path / folder / 'iter_1.pth', weights_only=False)['state_dict']
                     for folder in ('two', 'one'))
    assert torch.equal(first['head.memory.labels'], wanted['head.memory.labels'])
    torch.testing.assert_close(first['head.memory.embeds'], wanted['head.memory.embeds'], atol=1e-3, rtol=0)
