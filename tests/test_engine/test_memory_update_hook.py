import pytest

from tests.scene_files import write_block_scenes
from tests.toy_runs import run_config, train


def test_memory_of_the_wrong_size_is_refused_before_training(tmp_path):
    cfg = run_config('oim', write_block_scenes(tmp_path / 'scenes'), tmp_path / 'run', batch_size=2, epochs=1)
    cfg.model.roi_head.memory.num_ids = 99
    with pytest.raises(ValueError, match=r'memory has 99 identities but the training set has 6; set model.roi_head'):
        train(cfg)


def test_memory_is_written_after_each_iteration(tmp_path):
    root = write_block_scenes(tmp_path / 'scenes')
    _, state = train(run_config('oim', root, tmp_path / 'run', batch_size=2, epochs=2))
    assert (state['roi_head.memory.lut'].norm(dim=1) > .999).sum() >= 4
    cfg = run_config('oim', root, tmp_path / 'without', batch_size=2, epochs=2)
    cfg.custom_hooks = []
    _, state = train(cfg)
    assert state['roi_head.memory.lut'].abs().sum() == 0
