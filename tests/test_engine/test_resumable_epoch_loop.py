"""Numbers do not depend on interruptions, workers or the number of processes."""

import subprocess
import sys
import time

import pytest
import torch

from tests.crop_runs import crop_config, write_block_crops
from tests.processes import run_on_processes
from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config, train, train_on_rank


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_block_scenes(tmp_path_factory.mktemp('scenes') / 'blocks', num_train=10)


@pytest.fixture(scope='module')
def whole_run(root, tmp_path_factory):
    """Two epochs of five iterations without interruption, a checkpoint after each."""
    work_dir = tmp_path_factory.mktemp('whole')
    return (*train(run_config('seqnet', root, work_dir, batch_size=2, epochs=2)), work_dir)


def same_state(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize('iteration', [3, 5, 6, 10])  # 5 and 10 end an epoch
def test_resume_continues_the_run(root, whole_run, tmp_path, iteration):
    losses, state, work_dir = whole_run
    cfg = run_config('seqnet', root, tmp_path, batch_size=2, epochs=2, resume=True,
                     load_from=str(work_dir / f'iter_{iteration}.pth'))
    torch.manual_seed(12345)
    resumed_losses, resumed_state = train(cfg)
    assert len(resumed_losses) == 10 - iteration
    for resumed, whole in zip(resumed_losses, losses[iteration:]):
        assert resumed == pytest.approx(whole, abs=1e-6)
    same_state(resumed_state, state)


def test_killed_run_resumes_to_the_same_end(root, whole_run, tmp_path):
    """``kill -9`` after the first checkpoint, then ``--resume``."""
    _, state, _ = whole_run
    script = (f'from pathlib import Path; from tests.toy_runs import run_config, train\n'
              f'train(run_config("seqnet", Path({str(root)!r}), Path({str(tmp_path)!r}), batch_size=2, epochs=2))')
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script])
    while not (tmp_path / 'last_checkpoint').exists():
        assert process.poll() is None or process.returncode == 0
        time.sleep(.02)
    process.kill()  # SIGKILL
    process.wait()
    _, resumed_state = train(run_config('seqnet', root, tmp_path, batch_size=2, epochs=2, resume=True))
    same_state(resumed_state, state)


@pytest.mark.parametrize('batch_size', [8, 48])
def test_a_loader_that_cuts_batches_elsewhere_is_refused(tmp_path, batch_size):
    cfg = crop_config('cluster-contrast', write_block_crops(tmp_path / 'crops'), tmp_path / 'run')
    cfg.train_dataloader.batch_size = batch_size
    with pytest.raises(ValueError, match=r'train_dataloader.batch_size must be global_batch_size / processes = 16 / 1, '
                                         f'got {batch_size}; change it'):
        train(cfg)


def test_workers_change_nothing(root, whole_run, tmp_path):
    losses, state, _ = whole_run
    cfg = run_config('seqnet', root, tmp_path, batch_size=2, epochs=2)
    cfg.train_dataloader.num_workers = 2
    cfg.train_dataloader.persistent_workers = True
    worker_losses, worker_state = train(cfg)
    assert worker_losses[-1] == pytest.approx(losses[-1], abs=1e-6)
    same_state(worker_state, state)


@pytest.mark.parametrize('method', ['nae', 'seqnet'])
def test_two_processes_equal_one(root, tmp_path, method):
    """Ten steps at the same global batch: losses, look-up table, queue, head."""
    cfg = run_config(method, root, tmp_path / 'one', batch_size=4, epochs=5)
    cfg.train_dataloader.sampler.update(global_batch_size=4, drop_last=True)
    one_losses, one_state = train(cfg)
    two = run_on_processes(train_on_rank, 2, method, str(root), str(tmp_path / 'two'), 4)
    assert len(one_losses) == len(two[0][0]) == 10
    for step, one in enumerate(one_losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=1e-5, rel=1e-5)
    for _, state in two:
        for name in ('lut', 'queue', 'head'):
            key = f'roi_head.memory.{name}'
            torch.testing.assert_close(state[key], one_state[key], atol=1e-5, rtol=0)
    assert one_state['roi_head.memory.lut'].norm() > 0


def test_batch_norm_in_training_mode_agrees_over_processes(root, tmp_path):
    """Statistics over all processes: equal up to what a few steps make of rounding errors."""
    cfg = run_config('nae', root, tmp_path / 'one', batch_size=4, epochs=1, frozen=False)
    cfg.train_dataloader.sampler.update(global_batch_size=4, drop_last=True)
    one_losses, one_state = train(cfg)
    two = run_on_processes(train_on_rank, 2, 'nae', str(root), str(tmp_path / 'two'), 4, False, 1)
    for step, one in enumerate(one_losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=1e-3, rel=1e-3)
    for key in ('backbone.layer3.1.bn2.running_var', 'roi_head.shared_head.layer4.1.bn2.running_mean'):
        torch.testing.assert_close(two[0][1][key], two[1][1][key], atol=0, rtol=0)
        torch.testing.assert_close(two[0][1][key], one_state[key], atol=1e-3, rtol=1e-3)


def test_resume_with_another_batch_size_is_refused(root, whole_run, tmp_path):
    *_, work_dir = whole_run
    cfg = run_config('seqnet', root, tmp_path, batch_size=5, epochs=4, resume=True,
                     load_from=str(work_dir / 'iter_6.pth'))
    with pytest.raises(ValueError, match='iteration 6 in epoch 1, but an epoch has 2 iterations here; resume with'):
        train(cfg)


def test_sampler_without_start_is_refused_in_mid_epoch(root, whole_run, tmp_path):
    *_, work_dir = whole_run
    cfg = run_config('seqnet', root, tmp_path, batch_size=2, epochs=2, resume=True,
                     load_from=str(work_dir / 'iter_3.pth'))
    cfg.train_dataloader.sampler = dict(type='DefaultSampler', shuffle=True)
    with pytest.raises(TypeError, match='iteration 3 of an epoch, and sampler DefaultSampler cannot start there'):
        train(cfg)
