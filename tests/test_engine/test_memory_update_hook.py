from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from torch import nn

from pedsearch.engine import MemoryUpdateHook, PseudoLabelHook
from pedsearch.models.memories import InstanceMemory
from tests.crop_runs import crop_config, write_block_crops
from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config, train


def test_memory_of_the_wrong_size_is_refused_before_training(tmp_path):
    cfg = run_config('oim', write_block_scenes(tmp_path / 'scenes'), tmp_path / 'run', batch_size=2, epochs=1)
    cfg.model.roi_head.memory.num_ids = 99
    with pytest.raises(ValueError, match=r'memory has 99 identities but the training set has 6; set model.roi_head'):
        train(cfg)


@pytest.mark.parametrize('num_classes', [5, 100])
def test_classifier_of_the_wrong_size_is_refused_before_training(tmp_path, num_classes):
    cfg = crop_config('bot', write_block_crops(tmp_path / 'crops'), tmp_path / 'run')
    cfg.model.head.num_classes = num_classes
    with pytest.raises(ValueError, match=f'classifier has {num_classes} classes but the training set has 8 identities; '
                                         'set model.head.num_classes=8'):
        train(cfg)


def test_memory_is_written_after_each_iteration(tmp_path):
    root = write_block_scenes(tmp_path / 'scenes')
    _, state = train(run_config('oim', root, tmp_path / 'run', batch_size=2, epochs=2))
    assert (state['roi_head.memory.lut'].norm(dim=1) > .999).sum() >= 4
    cfg = run_config('oim', root, tmp_path / 'without', batch_size=2, epochs=2)
    cfg.custom_hooks = []
    _, state = train(cfg)
    assert state['roi_head.memory.lut'].abs().sum() == 0


def by_identity(feats) -> np.ndarray:
    return np.arange(len(feats)) // 6


def final_state(cfg) -> dict:
    runner = Runner.from_cfg(cfg)
    hook, = (hook for hook in runner.hooks if isinstance(hook, PseudoLabelHook))
    hook.clusterer = by_identity
    runner.train()
    return runner.model.state_dict()


def test_accumulated_batches_are_one_batch_in_split_batch_norm(tmp_path):
    """Four batches of 8 and one step, against a batch of 32 in four splits: the same weights, the same memory."""
    root = write_block_crops(tmp_path / 'crops', num_ids=16)
    whole = crop_config('cluster-contrast', root, tmp_path / 'whole', batch_size=32, epochs=1)
    whole.model.bn_splits = 4
    parts = crop_config('cluster-contrast', root, tmp_path / 'parts', batch_size=8, epochs=1)
    parts.model.bn_splits = 1
    parts.train_dataloader.sampler.num_iters = 16
    parts.optim_wrapper.accumulative_counts = 4
    for cfg in (whole, parts):
        cfg.param_scheduler = []
    whole, parts = final_state(whole), final_state(parts)
    for name in ('head.memory.centroids', 'backbone.conv1.weight', 'neck.norm.weight'):
        torch.testing.assert_close(parts[name], whole[name], atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize('rows', [0, 3, 5])
def test_memory_of_boxes_must_be_filled_when_an_epoch_begins(rows):
    model = nn.Module()
    model.roi_head = nn.Module()
    model.roi_head.memory = InstanceMemory(rows, embed_dims=2)
    model.roi_head.update_memory = lambda: None
    dataset = SimpleNamespace(num_slots=4, num_ids=9)
    runner, hook = SimpleNamespace(model=model, train_dataloader=SimpleNamespace(dataset=dataset)), MemoryUpdateHook()
    hook.before_train(runner)  # PseudoLabelHook has not come to it yet
    with pytest.raises(ValueError, match=f'the memory has {rows} slots but the training set has 4 boxes; fill it with '
                                         'PseudoLabelHook'):
        hook.before_train_epoch(runner)
    model.roi_head.memory.reset(torch.eye(4)[:, :2])
    hook.before_train_epoch(runner)
