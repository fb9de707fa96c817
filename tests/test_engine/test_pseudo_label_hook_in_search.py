"""The loop over boxes of scenes: against plain code, over interruptions and processes."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.hooks import EMAHook, Hook

from pedsearch.clustering import ReliableDBSCANCluster, clustering_quality
from tests.box_runs import ColourDetector, box_config, run_boxes, run_boxes_on_rank
from tests.processes import run_on_processes
from tests.scene_files import write_block_scenes


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Sixteen training images with 24 boxes; four are empty."""
    return write_block_scenes(tmp_path_factory.mktemp('scenes') / 'blocks', num_train=16)


@pytest.fixture(scope='module')
def whole_run(root, tmp_path_factory):
    """Two epochs of four iterations, a checkpoint after each."""
    work_dir = tmp_path_factory.mktemp('whole')
    return (*run_boxes(box_config(root, work_dir)), work_dir)


def plain_embeds(root, model) -> tuple[torch.Tensor, list[int], list[int]]:
    """Embedding, image and identity of each annotated box, read from the files without the library."""
    content = json.loads((root / 'annotations/train.json').read_text())
    rows, scenes, pids = [], [], []
    for place, image in enumerate(content['images']):
        picture = cv2.imread(str(root / 'images' / image['file_name'])).astype(float)
        for annotation in content['annotations']:
            if annotation['image_id'] == image['id'] and not annotation['iscrowd']:
                x, y, w, h = annotation['bbox']
                colour = (picture[y:y + h, x:x + w].reshape(-1, 3).mean(axis=0) - 127) / 60
                row = model.roi_head.embed.weight.detach() @ torch.from_numpy(colour).float()
                rows.append(row / row.norm())
                scenes.append(place)
                pids.append(annotation['person_id'])
    return torch.stack(rows), scenes, pids


def test_memory_and_labels_are_those_of_plain_code(root, whole_run):
    _, state, hook, runner, _ = whole_run
    calls = runner.model.roi_head.calls
    assert [call[0] for call in calls] == ['init', 'reset', 'reset'], 'extracted once, labelled before each epoch'
    embeds, scenes, pids = plain_embeds(root, ColourDetector())
    clusterer = ReliableDBSCANCluster(eps=.6, gap=.1, k1=6, k2=2, min_samples=2)
    # The picture is enlarged for extraction, so colours at the border of a box are not exact.
    torch.testing.assert_close(calls[0][1], embeds, atol=.02, rtol=0)
    dataset = runner.train_dataloader.dataset
    assert (dataset.scene_ids.tolist(), (dataset.pids < 0).tolist()) == (scenes, [pid < 0 for pid in pids])
    for _, feats, labels in calls[1:]:
        assert labels == clusterer(feats, scenes).tolist()
        assert len(set(zip(labels, scenes))) == len(labels), 'no image has two boxes of one label'
        assert sorted(set(labels)) == list(range(max(labels) + 1))
        assert max(labels) + 1 < len(labels)
    assert calls[2][2] == hook.labels.tolist() == state['roi_head.memory.labels'].tolist()
    assert hook.clusterer.threshold == clusterer.threshold, 'the threshold of the first clustering stays'
    torch.testing.assert_close(calls[1][1], calls[0][1])
    moved = (calls[2][1] - calls[1][1]).norm(dim=1)
    assert (moved > 0).all(), 'the second clustering is that of the memory, which training has moved'


@pytest.mark.parametrize('iteration', [2, 4, 7])  # 4 ends an epoch
def test_resume_continues_the_run(root, whole_run, tmp_path, iteration):
    losses, state, hook, _, work_dir = whole_run
    cfg = box_config(root, tmp_path, resume=True, load_from=str(work_dir / f'iter_{iteration}.pth'))
    resumed_losses, resumed_state, resumed, runner = run_boxes(cfg)
    assert len(resumed_losses) == 8 - iteration
    for one, whole in zip(resumed_losses, losses[iteration:]):
        assert one == pytest.approx(whole, abs=1e-7)
    assert torch.equal(resumed.labels, hook.labels)
    assert resumed.clusterer.threshold == hook.clusterer.threshold
    assert [call[0] for call in runner.model.roi_head.calls] == ['reset'] * (iteration <= 4), 'nothing is extracted'
    for name, value in state.items():
        torch.testing.assert_close(resumed_state[name], value, atol=1e-7, rtol=1e-6, msg=name)


def test_resume_with_another_number_of_boxes(root, whole_run, tmp_path):
    cfg = box_config(root, tmp_path, resume=True, load_from=str(whole_run[4] / 'iter_4.pth'))
    cfg.train_dataloader.dataset.indices = [*range(14), 12, 13]
    with pytest.raises(ValueError, match=r'^the checkpoint has pseudo labels of 24 boxes but the training set has 20 '
                                         'slots; resume with the data set and the filter_cfg it was trained with$'):
        run_boxes(cfg)


def test_weights_alone_start_a_run_of_their_own(whole_run, tmp_path):
    other = write_block_scenes(tmp_path / 'other', num_train=8)
    cfg = box_config(other, tmp_path / 'run', epochs=1, load_from=str(whole_run[4] / 'iter_8.pth'))
    _, state, hook, runner = run_boxes(cfg)
    assert len(hook.labels) == runner.train_dataloader.dataset.num_slots == len(state['roi_head.memory.embeds']) == 12
    assert [call[0] for call in runner.model.roi_head.calls] == ['init', 'reset']


def test_two_processes_equal_one(root, whole_run, tmp_path):
    losses, state, hook, _, _ = whole_run
    two = run_on_processes(run_boxes_on_rank, 2, str(root), str(tmp_path), 4)
    for step, one in enumerate(losses):
        both = {name: (two[0][0][step][name] + two[1][0][step][name]) / 2 for name in one}
        assert both == pytest.approx(one, abs=1e-5, rel=1e-5)
    for _, other, labels, threshold in two:
        assert torch.equal(labels, hook.labels)
        assert threshold in (hook.clusterer.threshold, None), 'one process clusters'
        torch.testing.assert_close(other['roi_head.memory.embeds'], state['roi_head.memory.embeds'], atol=1e-5, rtol=0)


def test_identities_in_the_place_of_clusters(root, tmp_path):
    _, state, hook, runner = run_boxes(box_config(root, tmp_path, **{'custom_hooks.0.clusterer': None}))
    pids, numbers = runner.train_dataloader.dataset.pids.tolist(), {}
    expected = [numbers.setdefault(pid if pid >= 0 else ('nobody', place), len(numbers))
                for place, pid in enumerate(pids)]
    assert -1 in pids
    assert hook.labels.tolist() == state['roi_head.memory.labels'].tolist() == expected


def test_outliers_are_clusters_of_their_own(root, tmp_path):
    cfg = box_config(root, tmp_path, epochs=1)
    cfg.custom_hooks[0].clusterer = dict(type='DBSCANCluster', eps=.6, k1=6, k2=2, min_samples=40)
    assert run_boxes(cfg)[2].labels.tolist() == list(range(24))


def test_quality_is_that_of_the_boxes_of_known_people(root, whole_run):
    hook, runner, work_dir = whole_run[2:]
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    records = [record for record in map(json.loads, lines) if 'pseudo_labels/ari' in record]
    assert [record['step'] for record in records] == [0, 1]
    labels, pids = hook.labels.numpy(), runner.train_dataloader.dataset.pids
    known = pids >= 0
    quality = clustering_quality(labels[known], pids[known])
    for name in ('ari', 'nmi'):
        assert records[1][f'pseudo_labels/{name}'] == pytest.approx(quality[name])


class AverageRecorder(Hook):
    """The running average of every parameter, as EMAHook's default formula has it."""

    def before_train(self, runner) -> None:
        self.averages, self.steps = {}, 0

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        for name, value in runner.model.named_parameters():
            value = value.detach().clone()
            old = self.averages.get(name, value)
            self.averages[name] = value if self.steps == 0 else old + .1 * (value - old)
        self.steps += 1


def test_averaged_model_keeps_its_weights_and_follows_the_memory(root, tmp_path):
    cfg = box_config(root, tmp_path)
    cfg.custom_hooks.append(dict(type='EMAHook', momentum=.1))
    recorder = AverageRecorder()
    _, _, _, runner = run_boxes(cfg, before=(recorder, ))
    average, = (hook.ema_model.module for hook in runner.hooks if isinstance(hook, EMAHook))
    for name, value in average.named_parameters():
        torch.testing.assert_close(value, recorder.averages[name], atol=1e-6, rtol=1e-5, msg=name)
        assert (value - runner.model.get_parameter(name)).norm() > 1e-4
    for name, value in average.named_buffers():
        torch.testing.assert_close(value, runner.model.get_buffer(name))


def with_hook_part(cfg, **parts):
    """Run with other parts of the label hook than configs can name."""
    class Replace(Hook):

        def before_train(self, runner) -> None:
            hook = runner.hooks[[type(hook).__name__ for hook in runner.hooks].index('PseudoLabelHook')]
            for name, value in parts.items():
                setattr(hook, name, value)

    return run_boxes(cfg, before=(Replace(), ))


def test_an_extraction_that_loses_boxes(root, tmp_path):
    def drop_one(results):
        results['instances'] = results['instances'][:2]
        return results

    steps = box_config(root, tmp_path).test_dataloader.dataset.pipeline
    with pytest.raises(ValueError, match='the extraction must give the 24 boxes of the training set, got 20; take a '
                                         'pipeline that removes no boxes'):
        with_hook_part(box_config(root, tmp_path), pipeline=[drop_one, *steps])


def test_one_cluster_alone_is_no_clustering(root, tmp_path):
    with pytest.raises(ValueError, match='expected two clusters or more of 24 boxes, got 1 and 0 outliers; change eps'):
        with_hook_part(box_config(root, tmp_path), clusterer=lambda feats, scene_ids: np.zeros(len(feats), int))


def test_refresh_extracts_with_the_network_of_that_moment(root, tmp_path):
    cfg = box_config(root, tmp_path)
    cfg.custom_hooks[0].refresh = True
    _, _, _, runner = run_boxes(cfg)
    calls = runner.model.roi_head.calls
    assert [call[0] for call in calls] == ['init', 'reset', 'init', 'reset']
    model = ColourDetector()
    model.load_state_dict(torch.load(tmp_path / 'iter_4.pth', weights_only=False)['state_dict'], strict=False)
    embeds, _, _ = plain_embeds(root, model)
    torch.testing.assert_close(calls[2][1], embeds, atol=.02, rtol=0)
    assert (calls[2][1] - embeds).norm() < .5 * (calls[0][1] - embeds).norm(), 'the network has moved'


@pytest.mark.parametrize(('change', 'error', 'message'), [
    (lambda cfg: cfg.custom_hooks.pop(), ValueError,
     'the memory of roi_head would never be updated; add dict.type=.MemoryUpdateHook.. to custom_hooks'),
    (lambda cfg: cfg.custom_hooks.append(dict(type='mmengine.EMAHook', update_buffers=True)), ValueError,
     'a memory may change its size, got EMAHook with update_buffers=True; leave it out'),
    (lambda cfg: setattr(cfg.train_dataloader, 'dataset', dict(
        type='mmengine.RepeatDataset', times=2,
        dataset=dict(cfg.train_dataloader.dataset.to_dict(), type='pedsearch.SearchSceneDataset'))), TypeError,
     'PseudoLabelHook needs a data set with with_pipeline.. and pids, got RepeatDataset; a wrapper hides them'),
    (lambda cfg: cfg.custom_hooks[0].update(pipeline=cfg.train_dataloader.dataset.pipeline), ValueError,
     'the extraction must leave boxes where they are annotated, got .*; put LoadSearchAnnotations behind')])
def test_parts_that_do_not_fit_together(root, tmp_path, change, error, message):
    cfg = box_config(root, tmp_path)
    change(cfg)
    with pytest.raises(error, match=message):
        run_boxes(cfg)
