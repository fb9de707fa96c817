"""Whole trainings of the weakly supervised methods on block scenes, with memory, clusterings and checkpoints."""

from collections.abc import Callable
from functools import cache

import pytest
import torch

from tests.processes import run_on_processes
from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config, train, train_on_rank

METHODS = ['dicl', 'cgps']
MEMORY = ('roi_head.memory.feats', 'roi_head.memory.labels')


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """8 training images with 12 boxes: two iterations an epoch at batch 4."""
    return write_block_scenes(tmp_path_factory.mktemp('scenes') / 'blocks', num_train=8)


@pytest.fixture(scope='module')
def whole_run(root, tmp_path_factory) -> Callable[[str], tuple]:
    """Two epochs of a method at once: losses, final state, folder of the checkpoints."""
    @cache
    def run(method: str) -> tuple:
        work_dir = tmp_path_factory.mktemp(method)
        cfg = run_config(method, root, work_dir, batch_size=4, epochs=2)
        cfg.train_dataloader.sampler.update(global_batch_size=4, drop_last=True)
        return *train(cfg), work_dir
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
    cfg = run_config('dicl', root, tmp_path, batch_size=4, epochs=2, resume=True,
                     load_from=str(work_dir / f'iter_{iteration}.pth'))
    cfg.train_dataloader.sampler.update(global_batch_size=4, drop_last=True)
    torch.manual_seed(12345)
    resumed_losses, resumed_state = train(cfg)
    assert len(resumed_losses) == len(losses) - iteration == 4 - iteration
    for resumed, whole in zip(resumed_losses, losses[iteration:]):
        assert resumed == pytest.approx(whole, rel=1e-5, abs=1e-6)
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-6, rtol=1e-5, msg=name)


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
