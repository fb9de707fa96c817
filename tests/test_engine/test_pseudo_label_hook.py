"""Numbers of the unsupervised loop: against plain code, over interruptions, workers and processes."""

import json
import logging
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader, Runner

from pedsearch.clustering import DBSCANCluster, clustering_quality
from pedsearch.engine import PseudoLabelHook, pseudo_label_hook
from tests.crop_runs import crop_config, train_crops_on_rank, write_block_crops
from tests.processes import run_on_processes
from tests.toy_runs import LossRecorder, train

METHODS = ['cluster-contrast', 'spcl', 'spcl-uda']


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_block_crops(tmp_path_factory.mktemp('crops') / 'blocks')


def run(cfg) -> tuple:
    """Losses, final state, labels of the hook, and the runner."""
    recorder, runner = LossRecorder(), Runner.from_cfg(cfg)
    runner.register_hook(recorder, priority='LOW')
    runner.train()
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    return recorder.losses, {name: value.clone() for name, value in runner.model.state_dict().items()}, hook, runner


@pytest.fixture(scope='module')
def whole_runs(root, tmp_path_factory):
    """Each method's run of two epochs of four iterations, a checkpoint after each iteration."""
    runs = {}
    for method in METHODS:
        work_dir = tmp_path_factory.mktemp(method)
        runs[method] = (*run(crop_config(method, root, work_dir)), work_dir)
    return runs


def test_labels_and_centroids_are_those_of_plain_code(root, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path, epochs=1)
    seen = {}

    class Recorder(LossRecorder):

        def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
            if not seen:
                state = {name: value.clone() for name, value in runner.model.state_dict().items()}
                seen.update(state=state, labels=runner.train_dataloader.dataset.labels)

    runner = Runner.from_cfg(cfg)
    runner.register_hook(Recorder())
    runner.train()

    model = Runner.from_cfg(crop_config('cluster-contrast', root, tmp_path / 'other')).model.eval()
    model.load_state_dict(seen['state'])
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    images = runner.train_dataloader.dataset.with_pipeline(cfg.test_dataloader.dataset.pipeline)
    with torch.no_grad():
        feats = torch.cat([model.extract_feat(model.data_preprocessor(dict(inputs=[images[i]['inputs']]))['inputs'])
                           for i in range(len(images))])
    labels = DBSCANCluster(eps=.6, min_samples=2, k1=8, k2=2)(feats)
    assert seen['labels'].tolist() == labels.tolist()
    assert labels.max() >= 1
    for cluster, centroid in enumerate(seen['state']['head.memory.centroids']):
        mean = feats[torch.from_numpy(labels == cluster)].mean(dim=0)
        torch.testing.assert_close(centroid, mean / mean.norm(), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('iteration', [3, 4, 6])  # 4 ends an epoch
def test_resume_continues_the_run(root, whole_runs, tmp_path, method, iteration):
    losses, state, hook, _, work_dir = whole_runs[method]
    cfg = crop_config(method, root, tmp_path, resume=True, load_from=str(work_dir / f'iter_{iteration}.pth'))
    resumed_losses, resumed_state, resumed_hook, _ = run(cfg)
    assert len(resumed_losses) == 8 - iteration
    for resumed, whole in zip(resumed_losses, losses[iteration:]):
        assert resumed == pytest.approx(whole, abs=1e-6)
    assert torch.equal(resumed_hook.labels, hook.labels)
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-6, rtol=1e-5, msg=name)


def stored_labels(path, monkeypatch) -> dict:
    """What a checkpoint says about labels, read as the tools read it: tensors and plain values only."""
    monkeypatch.setenv('TORCH_FORCE_WEIGHTS_ONLY_LOAD', '1')
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')['pseudo_labels']


def test_checkpoints_hold_labels_and_open_without_code(whole_runs, monkeypatch):
    work_dir = whole_runs['spcl'][4]
    first, last = (stored_labels(work_dir / f'iter_{iteration}.pth', monkeypatch) for iteration in (4, 5))
    assert (first['epoch'], last['epoch']) == (0, 1)
    assert first['labels'].shape == (48, )
    assert first['labels'].dtype == torch.int64
    assert first['clusterer']['threshold'] == last['clusterer']['threshold']


def test_killed_run_resumes_to_the_same_end(root, whole_runs, tmp_path):
    """``kill -9`` after the second checkpoint, in the middle of the first epoch, then ``--resume``."""
    losses, state, hook, _, _ = whole_runs['cluster-contrast']
    script = ('from pathlib import Path; from tests.crop_runs import crop_config; from tests.toy_runs import train\n'
              f'train(crop_config("cluster-contrast", Path({str(root)!r}), Path({str(tmp_path)!r})))')
    process = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', script])
    while not (tmp_path / 'iter_2.pth').exists():
        assert process.poll() is None
        time.sleep(.02)
    process.kill()  # SIGKILL
    process.wait()
    resumed_losses, resumed_state, resumed_hook, _ = run(crop_config('cluster-contrast', root, tmp_path, resume=True))
    assert resumed_losses[-1] == pytest.approx(losses[-1], abs=1e-6)
    assert torch.equal(resumed_hook.labels, hook.labels)
    torch.testing.assert_close(resumed_state['head.memory.centroids'], state['head.memory.centroids'])


def test_persistent_workers_see_the_labels_of_every_epoch(root, whole_runs, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path)
    cfg.train_dataloader.update(num_workers=2, persistent_workers=True)
    assert run(cfg)[0][-1] == pytest.approx(whole_runs['cluster-contrast'][0][-1], abs=1e-6)


@pytest.mark.parametrize('method', ['cluster-contrast', 'spcl', 'spcl-uda'])
def test_two_processes_equal_one(root, tmp_path, monkeypatch, method):
    """Two epochs at the same global batch: losses, labels, memory."""
    overrides = {'optim_wrapper.optimizer.lr': 2e-4}
    # Source and target show the same people here, a hard problem that multiplies rounding errors.
    batch_size, tolerance = (32, 1e-4) if method == 'spcl-uda' else (16, 1e-5)
    one_losses, one_state, hook, _ = run(crop_config(method, root, tmp_path / 'one', batch_size, **overrides))
    two = run_on_processes(train_crops_on_rank, 2, method, str(root), str(tmp_path / 'two'), batch_size, overrides)
    for step, one in enumerate(one_losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=tolerance, rel=tolerance)
    memory = 'head.memory.' + ('centroids' if method == 'cluster-contrast' else 'embeds')
    for _, state in two:
        torch.testing.assert_close(state[memory], one_state[memory], atol=tolerance, rtol=0)
        torch.testing.assert_close(state['neck.norm.running_var'], one_state['neck.norm.running_var'], atol=tolerance,
                                   rtol=tolerance)
    assert torch.equal(stored_labels(tmp_path / 'two' / 'iter_8.pth', monkeypatch)['labels'], hook.labels)


@pytest.mark.parametrize('method', ['bot', 'agw'])
def test_two_processes_equal_one_with_identities(root, tmp_path, method):
    one_losses, _ = train(crop_config(method, root, tmp_path / 'one'))
    two = run_on_processes(train_crops_on_rank, 2, method, str(root), str(tmp_path / 'two'), 16, {})
    for step, one in enumerate(one_losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=1e-5, rel=1e-5)


def test_weights_alone_start_a_run_of_their_own(root, whole_runs, tmp_path):
    """Of a checkpoint that is no continuation neither labels nor the memory's rows count."""
    other = write_block_crops(tmp_path / 'other', num_ids=6)
    cfg = crop_config('spcl', other, tmp_path / 'run', epochs=1,
                      load_from=str(whole_runs['spcl'][4] / 'iter_8.pth'))
    _, state, hook, runner = run(cfg)
    assert len(hook.labels) == len(runner.train_dataloader.dataset) == len(state['head.memory.embeds']) == 36


def test_quality_is_logged_every_epoch(root, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path)
    _, _, hook, runner = run(cfg)
    lines = [json.loads(line) for line in
             next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()]
    records = [line for line in lines if 'pseudo_labels/ari' in line]
    assert [record['step'] for record in records] == [0, 1]
    quality = clustering_quality(hook.labels.numpy(), runner.train_dataloader.dataset.pids)
    for name in ('ari', 'nmi', 'purity', 'num_clusters'):
        assert records[1][f'pseudo_labels/{name}'] == pytest.approx(quality[name])


def test_unlabelled_folder_trains(tmp_path):
    """Without identities and cameras; quality is not logged where nobody knows it."""
    root = write_block_crops(tmp_path / 'crops', labeled=False)
    cfg = crop_config('cluster-contrast', root, tmp_path / 'run', epochs=1)
    cfg.train_dataloader.dataset.camera_pattern = None
    losses, _, hook, runner = run(cfg)
    assert np.isfinite([loss['loss'] for loss in losses]).all()
    assert hook.labels.max() >= 1
    assert (runner.train_dataloader.dataset.pids == -1).all()
    text = next((tmp_path / 'run').glob('*/vis_data/scalars.json')).read_text()
    assert 'pseudo_labels/num_clusters' in text
    assert 'ari' not in text


def test_without_clusters_at_first(root, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path)
    cfg.custom_hooks[0].clusterer.update(min_samples=40)
    with pytest.raises(ValueError, match=r'expected two clusters or more of 48 images, got 0 and 48 outliers; change '
                                         'eps or min_samples'):
        run(cfg)


class Fading:
    """Clusters by identity at first, nothing afterwards."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, feats) -> np.ndarray:
        self.calls += 1
        return np.arange(len(feats)) // 6 if self.calls == 1 else np.full(len(feats), -1)


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self, runner: Runner) -> None:
        super().__init__()
        self.text = ''
        runner.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage() + '\n'


def test_without_clusters_later_the_labels_stay(root, tmp_path):
    recorder, runner = LossRecorder(), Runner.from_cfg(crop_config('cluster-contrast', root, tmp_path, epochs=3))
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    hook.clusterer, log = Fading(), Lines(runner)
    runner.register_hook(recorder)
    runner.train()
    assert hook.clusterer.calls == 3
    assert hook.labels.tolist() == (np.arange(48) // 6).tolist()
    assert len(recorder.losses) == 12
    assert np.isfinite([loss['loss'] for loss in recorder.losses]).all()
    assert 'got 0 and 48 outliers at epoch 2; the labels before stay' in log.text


def test_fewer_clusters_than_a_batch_holds(root, tmp_path):
    runner = Runner.from_cfg(crop_config('cluster-contrast', root, tmp_path, epochs=1))
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    hook.clusterer = lambda feats: np.where(np.arange(len(feats)) < 12, np.arange(len(feats)) // 6, -1)
    log = Lines(runner)
    runner.train()
    assert runner.iter == 4
    assert '2 identities fill 4 of the 16 places of a batch' in log.text


def with_clusterer(cfg, clusterer) -> Runner:
    runner = Runner.from_cfg(cfg)
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    hook.clusterer = clusterer
    return runner


def test_one_cluster_alone_is_no_clustering(root, tmp_path):
    runner = with_clusterer(crop_config('cluster-contrast', root, tmp_path), lambda feats: np.zeros(len(feats), int))
    with pytest.raises(ValueError, match='expected two clusters or more of 48 images, got 1 and 0 outliers'):
        runner.train()


def test_outliers_that_are_classes_of_their_own_are_logged_as_outliers(root, tmp_path):
    labels = np.concatenate([np.zeros(10, int), np.ones(8, int), np.arange(2, 32)])
    with_clusterer(crop_config('spcl', root, tmp_path, epochs=1), lambda feats: labels).train()
    text = next(tmp_path.glob('*/vis_data/scalars.json')).read_text().splitlines()
    record, = (json.loads(line) for line in text if 'pseudo_labels' in line)
    assert record['pseudo_labels/num_clusters'] == 2
    assert record['pseudo_labels/outlier_share'] == pytest.approx(30 / 48)
    identities = np.arange(48) // 6
    expected = clustering_quality(np.where(np.arange(48) < 18, labels, -1), identities)
    assert record['pseudo_labels/purity'] == pytest.approx(expected['purity'])


def test_spcl_extracts_once(root, tmp_path, monkeypatch):
    calls = []
    plain = pseudo_label_hook.extract_features
    monkeypatch.setattr(pseudo_label_hook, 'extract_features', lambda *args: (calls.append(1), plain(*args))[1])
    run(crop_config('spcl', root, tmp_path))
    assert calls == [1]


def test_batches_of_an_old_clustering_do_not_reach_the_new_memory(root, tmp_path):
    """Epochs of four iterations, steps of three: a batch waits when the next epoch begins, with other clusters."""
    clusters = iter([np.arange(48) // 6, np.arange(48) // 24, np.arange(48) // 24])
    cfg = crop_config('cluster-contrast', root, tmp_path, epochs=3)
    cfg.optim_wrapper.accumulative_counts = 3
    runner = with_clusterer(cfg, lambda feats: next(clusters))
    runner.train()
    assert runner.model.head.memory.centroids.shape == (2, 64)


@pytest.mark.parametrize('method', ['cluster-contrast', 'spcl'])
def test_averaged_model_follows_the_size_of_the_memory(root, tmp_path, method):
    cfg = crop_config(method, root, tmp_path)
    cfg.custom_hooks.append(dict(type='EMAHook', momentum=.1))
    assert np.isfinite([loss['loss'] for loss in run(cfg)[0]]).all()


def test_without_pipeline(root, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path)
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    with pytest.raises(ValueError, match='needs its pipeline where the config has no test_dataloader, got none; give'):
        Runner.from_cfg(cfg).train()


def test_interval_of_three_epochs(root, tmp_path):
    cfg = crop_config('cluster-contrast', root, tmp_path, epochs=5)
    cfg.custom_hooks[0].interval = 3
    runner = Runner.from_cfg(cfg)
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    clusterer, epochs = hook.clusterer, []
    hook.clusterer = lambda feats: (epochs.append(runner.epoch), clusterer(feats))[1]
    runner.train()
    assert epochs == [0, 3]


def test_a_head_without_memory_is_refused(root, tmp_path):
    cfg = crop_config('bot', root, tmp_path)
    cfg.custom_hooks.insert(0, dict(type='PseudoLabelHook', clusterer=dict(type='DBSCANCluster'), pipeline=[]))
    with pytest.raises(TypeError, match=r'needs a model whose head or roi_head has reset_memory\(\), got ReIDModel; take '
                                        'ClusterContrastHead, SpCLHead or a weakly supervised RoI head, or drop the hook'):
        Runner.from_cfg(cfg).train()


def test_bad_interval():
    with pytest.raises(ValueError, match='interval must be >= 1, got 0; it counts epochs'):
        PseudoLabelHook(dict(type='DBSCANCluster'), pipeline=[], interval=0)


def test_identities_in_the_place_of_clusters(tmp_path):
    """Two images have no identity; each is a cluster of its own."""
    root = write_block_crops(tmp_path / 'crops')
    for index in (1, 4):
        path = root / f'train/p003/003_c{index % 2}_{index}_train.png'
        path.rename(root / 'train' / path.name)
    cfg = crop_config('spcl', root, tmp_path / 'run')
    cfg.custom_hooks[0].clusterer = None
    _, state, hook, runner = run(cfg)
    pids, numbers = runner.train_dataloader.dataset.pids.tolist(), {}
    assert pids.count(-1) == 2
    expected = [numbers.setdefault(pid if pid >= 0 else ('nobody', place), len(numbers))
                for place, pid in enumerate(pids)]
    assert hook.labels.tolist() == expected == runner.train_dataloader.dataset.labels.tolist()
    assert state['head.memory.labels'].tolist() == expected
