"""Whole trainings of the weakly supervised methods on block scenes, with memory, clusterings and checkpoints."""

import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.processes import run_on_processes
from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config, train, train_on_rank

METHODS = ['dicl', 'cgps']
MEMORY = ('roi_head.memory.feats', 'roi_head.memory.labels')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """8 training images with 12 boxes: two iterations an epoch at batch 4."""
    return write_block_scenes(tmp_path_factory.mktemp('scenes') / 'blocks', num_train=8)


def weak_config(method: str, root: Path, work_dir: Path, **overrides: object) -> Config:
    """Two epochs of two iterations; before each a clustering, for DICL that of the memory."""
    cfg = run_config(method, root, work_dir, batch_size=4, epochs=2, **overrides)
    cfg.train_dataloader.sampler.update(global_batch_size=4, drop_last=True)
    return cfg


@pytest.fixture(scope='module')
def whole_run(root, tmp_path_factory) -> Callable[[str], tuple]:
    """Two epochs of a method at once: losses, final state, folder of the checkpoints."""
    @cache
    def run(method: str) -> tuple:
        work_dir = tmp_path_factory.mktemp(method)
        return *train(weak_config(method, root, work_dir)), work_dir
    return run


@pytest.mark.parametrize('method', METHODS)
def test_memory_and_labels_live(whole_run, method):
    """O-30."""
    losses, state, _ = whole_run(method)
    feats, labels = (state[name] for name in MEMORY)
    assert feats.shape == (12, 16)
    torch.testing.assert_close(feats.norm(dim=1), torch.ones(12))
    assert sorted(set(labels.tolist())) == list(range(int(labels.max()) + 1))
    assert all(torch.isfinite(torch.tensor(list(step.values()))).all() for step in losses)
    assert max(step['loss_reid'] for step in losses) > 0


@pytest.mark.parametrize('iteration', [2, 3])  # 2 ends an epoch: what follows is a clustering
def test_resume_continues_the_run(root, whole_run, tmp_path, iteration):
    losses, state, work_dir = whole_run('dicl')
    cfg = weak_config('dicl', root, tmp_path, resume=True, load_from=str(work_dir / f'iter_{iteration}.pth'))
    torch.manual_seed(12345)
    resumed_losses, resumed_state = train(cfg)
    assert len(resumed_losses) == len(losses) - iteration == 4 - iteration
    for resumed, whole in zip(resumed_losses, losses[iteration:]):
        assert resumed == pytest.approx(whole, rel=1e-5, abs=1e-6)
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-6, rtol=1e-5, msg=name)


def test_killed_run_resumes_to_the_same_end(root, whole_run, tmp_path):
    """``kill -9`` after the first checkpoint, then ``--resume``: same losses, bank, labels and threshold."""
    losses, state, work_dir = whole_run('dicl')
    script = (f'from pathlib import Path; from tests.toy_runs import train\n'
              f'from tests.test_models.test_search.test_weak_training import weak_config\n'
              f'train(weak_config("dicl", Path({str(root)!r}), Path({str(tmp_path)!r})))')
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script])
    while not (tmp_path / 'last_checkpoint').exists():
        assert process.poll() is None or process.returncode == 0
        time.sleep(.02)
    process.kill()  # SIGKILL
    process.wait()
    resumed_losses, resumed_state = train(weak_config('dicl', root, tmp_path, resume=True))
    assert resumed_losses[-1] == pytest.approx(losses[-1], rel=1e-5, abs=1e-6)
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-6, rtol=1e-5, msg=name)
    whole, resumed = (torch.load(folder / 'iter_4.pth', weights_only=False)['pseudo_labels']
                      for folder in (work_dir, tmp_path))
    assert torch.equal(resumed['labels'], whole['labels'])
    assert resumed['clusterer'] == whole['clusterer']
    assert resumed['clusterer']['threshold'] is not None


@pytest.mark.parametrize('method', METHODS)
def test_two_processes_equal_one(root, whole_run, tmp_path, method):
    """Also where a process has nobody in its images."""
    losses, state, _ = whole_run(method)
    two = run_on_processes(train_on_rank, 2, method, str(root), str(tmp_path), 4, True, 2)
    assert len(losses) == len(two[0][0]) == 4
    for step, one in enumerate(losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=1e-4, rel=1e-4), step
    for _, other in two:
        torch.testing.assert_close(other[MEMORY[0]], state[MEMORY[0]], atol=1e-4, rtol=0)
        assert torch.equal(other[MEMORY[1]], state[MEMORY[1]])
